"""Owns ``loopd add``: a table that is read once, and whose new texts join the pool of a run.

They go into the run's inbox first. A daemon takes them from there; without one it is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loopd.config import Config
from loopd.config.addresses import refuse_address, shown_url
from loopd.data.pool_files import shown_name
from loopd.data.remote_files import brought_here
from loopd.errors import ConfigError, DataError, LockedError, RunError
from loopd.loop.pool_source import read_file
from loopd.loop.pool_watch import PoolWatch
from loopd.operations.resting_run import resting_run
from loopd.storage.inbox import Inbox
from loopd.storage.lock import holder, run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import recorded_run
from loopd.storage.run_folder import JOURNAL_NAME
from loopd.storage.withdrawn_texts import read_withdrawn


def run_add(config: Config, table: Path | str, say: Callable[[str], None]) -> None:
    """Read a table with the columns of the pool, and let its new texts join the run.

    Args:
        config: of the run.
        table: a file, a folder of files, or a pattern; here, or at a URL.
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
    url = _address(table)
    there = {"hub": None, "url": url, "path": None if url else Path(table)}
    with brought_here(config.pool.model_copy(update=there)) as here:
        pool, report = read_file(config, here.path or Path())
    for line in report.lines():
        say(line)
    counts = {"duplicates": report.duplicates, "refused": report.refused}
    inbox = Inbox(config.run.dir)
    inbox.leave(pool.records, shown_url(url) if url else shown_name(Path(table)), **counts)
    known = read_withdrawn(config.run.dir)
    if known.digests:  # read only now: a removal that goes on has looked into the inbox before
        inbox.rewrite(lambda record: not known.holds(record.text))
    try:
        with run_lock(config.run.dir):
            _take_in(config, say)
    except LockedError:
        say(f"process {holder(config.run.dir)} works on the run, and takes them in after this step")


def _address(table: Path | str) -> str | None:
    """Where a table is, if not on this machine.

    Raises:
        DataError: it is nowhere that files are read from, or its address may hold a secret.
    """
    text = str(table)
    if "://" not in text:
        return None
    try:
        refuse_address(text)
    except ValueError as error:
        problem = f"cannot read {shown_url(text)}: {error}"
        raise DataError(problem, "see `pool.url` in the configuration's reference") from None
    return text


def _take_in(config: Config, say: Callable[[str], None]) -> None:
    """Empty the inbox of a run that no daemon works on."""
    with resting_run(config) as run:
        watch, before = PoolWatch(run.config), len(run.pool)
        while (grown := watch.added(run.pool)) is not None:
            run.record(grown)
            run.pool = watch.pool
            watch.settle(run.state)
        say(_sentence(len(run.pool) - before, len(run.pool)))


def _sentence(added: int, total: int) -> str:
    what = f"{added:,} texts joined the pool" if added != 1 else "1 text joined the pool"
    return f"{what if added else 'nothing was new'}: it has {total:,} texts"
