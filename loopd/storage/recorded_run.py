"""Owns the look at what a run has written down; must not write, nor take the run's lock."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopd.errors import JournalError, RunError
from loopd.events import Event
from loopd.machine import State, fold
from loopd.storage.journal import Journal, is_blank
from loopd.storage.run_folder import JOURNAL_NAME


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a journal holds.

    Attributes:
        events: all of them.
        state: their fold.
        last: number and digest of the last one.
    """

    events: tuple[Event, ...]
    state: State
    last: tuple[int, str]


def read_journal(path: Path) -> RecordedRun:
    """Read a journal from its beginning, without the right to append.

    Raises:
        JournalError, StorageError, NewerError: it cannot be read.
    """
    with Journal(path, read_only=True) as journal:
        events = journal.read()
        return RecordedRun(tuple(events), fold(events), journal.last)


def recorded_run(folder: Path) -> RecordedRun:
    """What the run in a folder has written down by now.

    Raises:
        RunError: there is no run in it, or only just the file of its journal.
        JournalError, StorageError, NewerError: its journal cannot be read.
    """
    path = folder / JOURNAL_NAME
    if not path.exists():
        raise _no_run(folder)
    with suppress(JournalError):
        return read_journal(path)
    if is_blank(path):  # a daemon makes it at this very moment
        raise _no_run(folder)
    return read_journal(path)


def _no_run(folder: Path) -> RunError:
    return RunError(f"no run in {folder}", "start it with `loopd run`")
