"""Owns the look at a run's folder before anything in it is touched; must not change anything.

A run that a newer loopd wrote is left as it is, byte for byte.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopd.errors import JournalError, NewerError, StorageError
from loopd.events import Event
from loopd.machine import State, fold
from loopd.storage.intakes import Intakes
from loopd.storage.journal import Journal
from loopd.storage.names import SavedNames


@dataclass(frozen=True, slots=True)
class Glance:
    """What a journal held before it was opened to append.

    Attributes:
        events: all of them.
        state: their fold.
        last: number and digest of the last one.
    """

    events: tuple[Event, ...]
    state: State
    last: tuple[int, str]


def refuse_newer(journal: Path) -> Glance | None:
    """Look at a journal, and at the files beside it.

    Returns:
        What the journal holds; ``None`` where it is absent or cannot be read, which is said by
        whatever opens it next.

    Raises:
        NewerError: a newer version wrote the journal, or another file of which there is no second.
    """
    refuse_newer_files(journal.parent)
    try:
        with Journal(journal, read_only=True) as before:
            events = before.read()
            return Glance(tuple(events), fold(events), before.last)
    except NewerError:
        raise
    except (JournalError, StorageError, OSError):
        return None


def refuse_newer_files(folder: Path) -> None:
    """Look at the files of a run that nothing can write again, but for the journal.

    Raises:
        NewerError: a newer version wrote one.
    """
    with suppress(OSError):  # said by whatever opens them next
        Intakes(folder).refuse_newer()
    with suppress(StorageError):
        SavedNames(folder).read()
