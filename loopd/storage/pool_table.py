"""Owns the table of a run's texts: an Arrow file for each intake, in the run's folder.

A file is written once and never changed, so a text keeps its position. Must not know which of the
intakes have a fact in the journal: one behind those is replaced by the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from operator import eq
from pathlib import Path

from loopd.errors import StorageError
from loopd.records import Record
from loopd.storage.arrow_records import read_notes, read_records, write_records
from loopd.storage.files import storage_error
from loopd.storage.replacing import keep_aside, stamp
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.stored_intake import BEFORE, BEHIND, FINGERPRINT, StoredIntake, index_path

Intake = tuple[Record, ...]


class PoolTable:
    """The intakes of a run.

    Args:
        folder: ``run.dir``.
        name: of the folder in it; another one where it was moved aside.
    """

    def __init__(self, folder: Path, name: str = POOL_FOLDER) -> None:
        self._folder = folder / name

    def intakes(self) -> Iterator[Intake]:
        """The records of each intake, in order; none where the run keeps no table yet.

        Raises:
            StorageError: a file is damaged or cannot be read.
            NewerError: a newer version wrote one.
        """
        return (read_records(path)[0] for path in self._paths())

    def stored(self) -> Iterator[StoredIntake]:
        """The intakes in order, of which nothing but their notes has been read.

        They say fingerprints only where each was written behind the one that is there.

        Raises:
            StorageError: the notes of a file cannot be read.
            NewerError: a newer version wrote one.
        """
        behind: str | None = None
        for path in self._paths():
            intake = StoredIntake(path)
            if intake.before != behind:
                intake.pool_fingerprint = None
            behind = intake.pool_fingerprint
            yield intake

    def refuse_newer(self) -> None:
        """Look at how the intakes begin.

        Raises:
            NewerError: a newer version wrote one.
        """
        for path in self._paths():
            try:
                read_notes(path)
            except StorageError:  # said by whoever reads it
                continue

    def begin(self, records: Sequence[Record], wall: float, fingerprint: str = "") -> Path | None:
        """Keep these as the first intake; those of another run are moved aside.

        A journal that was moved away for a while may still need them.

        Args:
            records: of the intake.
            wall: seconds since the epoch, for the name of what is moved aside.
            fingerprint: of the records; empty where it is not known.

        Returns:
            Where others are now.

        Raises:
            StorageError: they cannot be written.
        """
        if self._begins_with(records):
            return None
        aside = keep_aside(self._folder, stamp(wall)) if self._paths() else None
        self.put(0, records, fingerprints=(fingerprint, fingerprint))
        return aside

    def put(
        self,
        number: int,
        records: Sequence[Record],
        source: str = "",
        fingerprints: tuple[str, str] = ("", ""),
    ) -> None:
        """Keep these as an intake, in the place of those without a fact: all of it or nothing.

        Args:
            number: from 0.
            records: of the intake.
            source: what they came from.
            fingerprints: of the records, and of the pool that ends with them; empty where they are
                not known: whoever needs them then reads the records.

        Raises:
            StorageError: they cannot be written.
        """
        for stale in reversed(self._paths()[number + 1 :]):
            stale.unlink()
            shutil.rmtree(index_path(stale), ignore_errors=True)
        told = zip((FINGERPRINT, BEHIND), fingerprints, strict=True)
        notes = {"source": source, **{name: print_ for name, print_ in told if print_}}
        if number and fingerprints[1]:
            notes[BEFORE] = StoredIntake(self._path(number - 1)).pool_fingerprint or ""
        write_records(self._path(number), records, notes)

    def rewrite(self, changed: Callable[[Record], Record]) -> None:
        """Write anew each intake of which a record is to be another; positions stay.

        Its index goes, and what it said of fingerprints.

        Raises:
            StorageError: a file is damaged, or cannot be written.
        """
        for path in self._paths():
            records, notes = read_records(path)
            after = tuple(map(changed, records))
            if after != records:
                _drop(index_path(path))
                write_records(path, after, {"source": notes.get("source", "")})
                _drop(index_path(path))  # one that somebody has made of what was there before

    def _begins_with(self, records: Sequence[Record]) -> bool:
        try:
            first = next(self.stored(), None)
            if first is None or len(first) != len(records):
                return False
            return all(map(eq, first.records(), records))
        except StorageError:
            return False

    def _paths(self) -> list[Path]:
        count = 0
        while self._path(count).exists():
            count += 1
        return [self._path(number) for number in range(count)]

    def drop_unfinished(self) -> None:
        """Remove what a process that was killed has left of an index: it has hashes of texts.

        Raises:
            StorageError: it cannot be removed.
        """
        for folder in self._folder.glob(".*.index.*"):
            _drop(folder)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.arrow"


def _drop(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise storage_error(folder, error) from error
