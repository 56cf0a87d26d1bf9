"""Owns the records of one intake where they are needed: a block of its file, a place in its index.

Nothing is read before it is asked for. Must not know which run it belongs to.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from loopd.records import PoolId, Record
from loopd.storage.arrow_records import (
    ROWS,
    block_records,
    damaged,
    one_record,
    read_block,
    read_notes,
)
from loopd.storage.intake_index import (
    IntakeIndex,
    Positions,
    chunks,
    hashes_of,
    index_of,
)

BLOCKS = 16
"""Blocks that stay in memory, a megabyte each where texts are short."""

RECORDS = 4096
"""Records that stay in memory, those of batches and labels before all."""

FINGERPRINT, BEFORE, BEHIND = "fingerprint", "before", "pool_fingerprint"
"""Notes of a file: fingerprints of its records, of the pool before, and of the pool with them."""


class StoredIntake:
    """The records of a file of :class:`~loopd.storage.pool_table.PoolTable`.

    Args:
        path: of the file.

    Raises:
        StorageError: it is damaged, missing or cannot be read. So may every method.
        NewerError: a newer version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        notes = read_notes(path)
        count = notes.get("records", "")
        if not count.isdecimal():
            raise damaged(path)
        self._count = int(count)
        self.fingerprint: str | None = notes.get(FINGERPRINT)
        """Of its records; ``None`` where an earlier version wrote the file."""
        self.pool_fingerprint: str | None = notes.get(BEHIND)
        """Of the pool that ends with it; likewise."""
        self.before: str | None = notes.get(BEFORE)
        """Of the pool before it; ``None`` for the first."""
        self._block = lru_cache(BLOCKS)(self._read)
        self._record = lru_cache(RECORDS)(self._look_up)

    def __len__(self) -> int:
        return self._count

    def __reduce__(self) -> tuple[type[StoredIntake], tuple[Path]]:
        """For another process, which opens the file itself."""
        return StoredIntake, (self._path,)

    def record(self, row: int) -> Record:
        """The record of a row, from 0."""
        return self._record(row)

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Records of rows in a row; blocks are read as they are reached."""
        end = self._count if stop is None else stop
        for number, first, count in _blocks(start, end):
            block = self._block(number) if end - start < ROWS else self._read(number)
            yield from block_records(block.slice(first, count))

    def texts(self, start: int, stop: int) -> Iterator[str]:
        """Texts of rows in a row."""
        for number, first, count in _blocks(start, stop):
            block = self._block(number) if stop - start < ROWS else self._read(number)
            yield from block.column("text").slice(first, count).to_pylist()

    @property
    def answered(self) -> Positions:
        """Rows that came with answers, in order."""
        return self._index.answered

    def find_ids(self, ids: Iterable[str]) -> Positions:
        """Row of each of the ids, -1 where it has none such."""
        return _joined([self._index.find_ids(hashes_of(some)) for some in chunks(ids)])

    def find_texts(self, texts: Iterable[str]) -> Positions:
        """Row of each of the texts, -1 where it has none such."""
        return _joined([self._index.find_texts(hashes_of(some)) for some in chunks(texts)])

    def ids_at(self, rows: Sequence[int] | Positions) -> list[PoolId]:
        """Ids of rows."""
        return self._index.ids_at(rows)

    @cached_property
    def _index(self) -> IntakeIndex:
        stamp = self.fingerprint or f"size {self._path.stat().st_size}"
        index = index_of(index_path(self._path), stamp, self._count, self.records())
        if _stamp(self._path) != self._stamp:  # texts were erased: their hashes must not come back
            shutil.rmtree(index_path(self._path), ignore_errors=True)
        return index

    def _look_up(self, row: int) -> Record:
        return one_record(self._block(row // ROWS), row % ROWS)

    def _read(self, number: int) -> Any:
        block = read_block(self._path, number)
        if block.num_rows != min(ROWS, self._count - number * ROWS):
            raise damaged(self._path)
        return block


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file is written anew; ``None`` where it is gone."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns


def index_path(path: Path) -> Path:
    """Folder with the index of a file."""
    return path.with_suffix(".index")


def _blocks(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The blocks of rows in a row: their numbers, the first row in each, and how many there."""
    for number in range(start // ROWS, -(-stop // ROWS)):
        begin = number * ROWS
        first = max(start, begin)
        yield number, first - begin, min(stop, begin + ROWS) - first


def _joined(parts: Sequence[Positions]) -> Positions:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])
