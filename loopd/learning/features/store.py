"""Owns dense features on disk, in pieces that survive an interruption; must not compute any.

Rows are read with plain reads, never through a mapping: mapped pages count as memory of the
process, and a pool of a million texts has gigabytes of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions, Tick, Vectors
from loopd.storage.files import write_atomic

ROWS = 8192
"""Rows of one piece: what is encoded, written and read at once."""

DISK = np.dtype("<f2")
DIGEST_BYTES = 16

GATHER = 512
"""Rows of one piece that are read one by one; of more, the whole piece is read."""


@dataclass(frozen=True)
class FeatureStore:
    """Features (n, d), half precision on disk and single precision when read.

    Each piece of :data:`ROWS` rows is a file of its own, written whole or not at all, with a digest
    of its content at its end. Anything that asks for rows gets them by an array of positions, as
    from an array in memory.

    Attributes:
        folder: where the pieces are.
        shape: (n, d).
    """

    folder: Path
    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> Vectors:
        """Features (k, d) of the rows, in their order."""
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"rows from {rows.min()} to {rows.max()} of {len(self)}")
        features = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        pieces = rows // ROWS
        for piece in np.unique(pieces):
            inside = np.flatnonzero(pieces == piece)
            features[inside] = self._read(int(piece), rows[inside] - piece * ROWS)
        return features

    @property
    def pieces(self) -> range:
        """Numbers of the pieces."""
        return range(-(-len(self) // ROWS))

    def rows_of(self, piece: int) -> Positions:
        """Positions of the rows of a piece."""
        return np.arange(piece * ROWS, min(len(self), (piece + 1) * ROWS))

    def holds(self, piece: int) -> bool:
        """Whether a piece is there, whole and undamaged."""
        try:
            content = self._path(piece).read_bytes()
        except OSError:
            return False
        body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        return len(body) == self._bytes(piece) and _digest(body) == digest

    def put(self, piece: int, features: Vectors) -> None:
        """Write the rows of a piece.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        body = np.ascontiguousarray(features, dtype=DISK).tobytes()
        if len(body) != self._bytes(piece):
            raise ValueError(f"features of shape {features.shape} for piece {piece}")
        write_atomic(self._path(piece), body + _digest(body))

    def _read(self, piece: int, rows: Positions) -> NDArray[np.float16]:
        width = self.shape[1] * DISK.itemsize
        with self._path(piece).open("rb", buffering=0 if rows.size <= GATHER else -1) as file:
            if rows.size > GATHER:
                whole = np.fromfile(file, DISK, self._bytes(piece) // DISK.itemsize)
                return whole.reshape(-1, self.shape[1])[rows]
            content = bytearray()
            for row in rows.tolist():
                file.seek(row * width)
                content += file.read(width)
        return np.frombuffer(content, dtype=DISK).reshape(-1, self.shape[1])

    def _bytes(self, piece: int) -> int:
        return len(self.rows_of(piece)) * self.shape[1] * DISK.itemsize

    def _path(self, piece: int) -> Path:
        return self.folder / f"{piece:05d}"


def fill(
    stores: Sequence[FeatureStore],
    make: Callable[[Positions], Sequence[Vectors]],
    tick: Tick,
) -> None:
    """Compute and write the pieces that are missing or damaged.

    Args:
        stores: of the same number of rows; a piece is made for all of them together.
        make: features of some rows, one array (k, d) for each store.
        tick: called with (rows done, all rows) between two pieces; may raise.
    """
    first = stores[0]
    for piece in first.pieces:
        tick(piece * ROWS, len(first))
        missing = [index for index, store in enumerate(stores) if not store.holds(piece)]
        if missing:
            features = make(first.rows_of(piece))
            for index in missing:
                stores[index].put(piece, features[index])
    tick(len(first), len(first))


def blocks(rows: Positions, size: int = ROWS) -> Iterator[slice]:
    """Slices of an array of rows that are worked on at once, so that memory stays bounded."""
    for start in range(0, len(rows), size):
        yield slice(start, min(len(rows), start + size))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
