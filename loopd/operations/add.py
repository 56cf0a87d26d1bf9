"""Owns ``loopd add``: a table that is read once, and whose new texts join the pool of a run.

They go into the run's inbox first. A daemon takes them from there; without one it is done here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from loopd.config import Config
from loopd.data.pool_files import shown_name
from loopd.errors import ConfigError, LockedError, RunError
from loopd.events import Event
from loopd.loop.audit_in_force import in_force
from loopd.loop.narrate import narrate
from loopd.loop.pool_source import looks, read_file
from loopd.loop.pool_watch import PoolWatch
from loopd.loop.removal_watch import overdue
from loopd.loop.start_or_resume import refuse_changes
from loopd.loop.taken_in import keep_first
from loopd.loop.tools import read_data
from loopd.machine import State, apply, fold
from loopd.storage.inbox import Inbox
from loopd.storage.journal import Journal
from loopd.storage.lock import holder, run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import recorded_run
from loopd.storage.run_folder import JOURNAL_NAME


def run_add(config: Config, path: Path, say: Callable[[str], None]) -> None:
    """Read a table with the columns of the pool, and let its new texts join the run.

    Args:
        config: of the run.
        path: of the table: a file, a folder of files, or a pattern.
        say: is told what becomes of them.

    Raises:
        ConfigError: the pool is in Argilla.
        RunError: there is no run, or it is another than the configuration's.
        DataError: the table cannot be used.
        StorageError: the run's folder cannot be written.
    """
    if config.pool.argilla is not None:
        raise ConfigError(
            "the pool is in Argilla, and texts are added there",
            "add records to its dataset: they join at the next start",
        )
    refuse_newer(config.run.dir / JOURNAL_NAME)
    if recorded_run(config.run.dir).state.started is None:
        raise RunError(f"the run in {config.run.dir} has not begun", "`loopd run` begins it")
    pool, report = read_file(config, path)
    for line in report.lines():
        say(line)
    counts = {"duplicates": report.duplicates, "refused": report.refused}
    Inbox(config.run.dir).leave(pool.records, shown_name(path), **counts)
    try:
        with run_lock(config.run.dir):
            _take_in(config, say)
    except LockedError:
        say(f"process {holder(config.run.dir)} works on the run, and takes them in after this step")


def _take_in(config: Config, say: Callable[[str], None]) -> None:
    """Empty the inbox of a run that no daemon works on."""
    with Journal(config.run.dir / JOURNAL_NAME) as journal:
        state = fold(journal.read())
        config = in_force(config, state)
        seen = looks(config)
        data = read_data(config.model_copy(update={"test": None}), state)
        if (event := overdue(config.run.dir, state, data.pool, time.time())) is not None:
            state = _recorded(event, state, journal)
        refuse_changes(state, config, data, but=("the test set",))
        if not data.is_kept:
            keep_first(config, data.pool, seen, data.reports["pool"])
        watch, pool, before = PoolWatch(config), data.pool, len(data.pool)
        while (grown := watch.added(pool)) is not None:
            state, pool = _recorded(grown, state, journal), watch.pool
            watch.settle(state)
        say(_sentence(len(pool) - before, len(pool)))


def _recorded(event: Event, state: State, journal: Journal) -> State:
    after = apply(state, event)
    journal.append(event)
    narrate(event, after)
    return after


def _sentence(added: int, total: int) -> str:
    what = f"{added:,} texts joined the pool" if added != 1 else "1 text joined the pool"
    return f"{what if added else 'nothing was new'}: it has {total:,} texts"
