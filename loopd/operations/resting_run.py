"""Owns how a command works on a run that no daemon works on: its journal, what it says, its texts.

Must not know what the command does with them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loopd.config import Config
from loopd.data.pool import Pool
from loopd.events import Event
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import read_data
from loopd.loop.narrate import narrate
from loopd.loop.pool_source import looks
from loopd.loop.removal_watch import overdue
from loopd.loop.start_or_resume import refuse_changes
from loopd.loop.taken_in import keep_first
from loopd.machine import State, apply, fold
from loopd.storage.journal import Journal
from loopd.storage.run_folder import JOURNAL_NAME


@dataclass
class RestingRun:
    """A run whose lock the process holds.

    Attributes:
        config: as it is in force for the run.
        journal: open to append.
        state: what it says by now.
        pool: the texts, which lie in the run's folder.
    """

    config: Config
    journal: Journal
    state: State
    pool: Pool

    def record(self, event: Event) -> None:
        """Write down what happened, and say it."""
        after = apply(self.state, event)
        self.journal.append(event)
        narrate(event, after)
        self.state = after


@contextmanager
def resting_run(config: Config) -> Iterator[RestingRun]:
    """Open a run to which a command adds facts; texts of an earlier version are kept from now on.

    Args:
        config: of the run, whose lock the process holds.

    Raises:
        RunError: the run is another than the configuration's.
        StorageError: its folder cannot be read or written.
    """
    with Journal(config.run.dir / JOURNAL_NAME) as journal:
        state = fold(journal.read())
        config = in_force(config, state)
        seen = looks(config)
        data = read_data(config.model_copy(update={"test": None}), state)
        run = RestingRun(config, journal, state, data.pool)
        if (event := overdue(config.run.dir, state, data.pool, time.time())) is not None:
            run.record(event)
        refuse_changes(run.state, config, data, but=("the test set",))
        if config.pool.argilla is None and not data.is_kept:
            keep_first(config, data.pool, seen, data.reports["pool"])
        yield run
