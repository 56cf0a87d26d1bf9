"""Owns the texts that ``loopd add`` leaves for a daemon; must not know what becomes of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopd.errors import NewerError, StorageError
from loopd.records import Record
from loopd.storage.arrow_records import read_records, write_records
from loopd.storage.run_folder import INBOX_FOLDER


@dataclass(frozen=True, slots=True)
class Parcel:
    """Texts that were added.

    Attributes:
        path: of the file in the inbox.
        records: in order.
        source: what they came from.
        duplicates: rows of it whose text was on an earlier row.
        refused: rows of it that cannot be used.
    """

    path: Path
    records: tuple[Record, ...]
    source: str
    duplicates: int
    refused: int


class Inbox:
    """The inbox of a run; first in, first out.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / INBOX_FOLDER

    def leave(
        self, records: Sequence[Record], source: str, *, duplicates: int, refused: int
    ) -> None:
        """Put texts in: all of them or none.

        Raises:
            StorageError: they cannot be written.
        """
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.arrow"
        notes = {"source": source, "duplicates": str(duplicates), "refused": str(refused)}
        write_records(self._folder / name, records, notes)

    def waiting(self) -> list[Path]:
        """The files of what waits, what has waited longest first."""
        return sorted(self._folder.glob("[0-9]*.arrow"))

    @staticmethod
    def read(path: Path) -> Parcel:
        """What is in one of them.

        Raises:
            StorageError: it is damaged or cannot be read.
            NewerError: a newer version wrote it.
        """
        records, notes = read_records(path)
        counts = (int(notes.get(name, "0")) for name in ("duplicates", "refused"))
        return Parcel(path, records, notes.get("source", ""), *counts)

    def rewrite(self, is_kept: Callable[[Record], bool]) -> None:
        """Take records out of what waits; a file that cannot be read stays as it is.

        Raises:
            StorageError: a file cannot be written.
        """
        for path in self.waiting():
            try:
                records, notes = read_records(path)
            except (StorageError, NewerError):
                continue
            left = tuple(filter(is_kept, records))
            if len(left) < len(records):
                told = {name: notes.get(name, "") for name in ("source", "duplicates", "refused")}
                write_records(path, left, told)

    @staticmethod
    def take_out(parcel: Parcel) -> None:
        """Remove what is in the pool by now."""
        parcel.path.unlink(missing_ok=True)
