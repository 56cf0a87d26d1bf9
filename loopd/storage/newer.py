"""Owns the look at a run's folder before anything in it is touched; must not change anything.

A run that a newer loopd wrote is left as it is, byte for byte.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from loopd.errors import JournalError, NewerError, StorageError
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.names import SavedNames
from loopd.storage.pool_table import PoolTable
from loopd.storage.recorded_run import RecordedRun, read_journal


def refuse_newer(journal: Path) -> RecordedRun | None:
    """Look at a journal, and at the files beside it.

    Returns:
        What the journal holds; ``None`` where it is absent or cannot be read, which is said by
        whatever opens it next.

    Raises:
        NewerError: a newer version wrote the journal, or another file of which there is no second.
    """
    refuse_newer_files(journal.parent)
    try:
        return read_journal(journal)
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
        PoolTable(folder).refuse_newer()
    with suppress(StorageError):
        SavedNames(folder).read()
