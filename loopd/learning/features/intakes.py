"""Owns the features of a pool that grew as those of one pool; must not compute or copy any of them.

Each intake has its own, under its own fingerprint: they are made once, whatever joins later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.features.store import FeatureStore
from loopd.learning.features.tokens import TokenStore, padded


@dataclass(frozen=True)
class IntakeRows:
    """Dense features of all intakes.

    Attributes:
        parts: of each intake, at least one.
    """

    parts: tuple[FeatureStore, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return sum(map(len, self.parts)), self.parts[0].shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> Vectors:
        """Features (k, d) of the rows, in their order."""
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"rows from {rows.min()} to {rows.max()} of {len(self)}")
        features = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for number, inside, within in _by_part(rows, [len(part) for part in self.parts]):
            features[inside] = self.parts[number][within]
        return features


@dataclass(frozen=True)
class IntakeTokens:
    """Tokens of the texts of all intakes.

    Attributes:
        parts: of each intake, at least one.
    """

    parts: tuple[TokenStore, ...]

    @property
    def shape(self) -> tuple[int]:
        """(n,)."""
        return (sum(map(len, self.parts)),)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> list[NDArray[np.int32]]:
        """Token ids of each of the rows."""
        rows = np.asarray(rows, dtype=np.int64)
        texts: list[NDArray[np.int32]] = [_NOTHING] * len(rows)
        for number, inside, within in _by_part(rows, [len(part) for part in self.parts]):
            for index, tokens in zip(inside.tolist(), self.parts[number][within], strict=True):
                texts[index] = tokens
        return texts

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text (n,)."""
        return np.concatenate([part.lengths for part in self.parts])

    def padded(self, rows: Positions, padding: int) -> tuple[Positions, Positions]:
        """Token ids and attention mask (k, longest of the rows)."""
        return padded(self, rows, padding)


PoolRows: TypeAlias = "FeatureStore | IntakeRows"
PoolTokens: TypeAlias = "TokenStore | IntakeTokens"


def intake_rows(parts: Sequence[FeatureStore]) -> PoolRows:
    """The features of all intakes; those of one are just these."""
    return parts[0] if len(parts) == 1 else IntakeRows(tuple(parts))


def intake_tokens(parts: Sequence[TokenStore]) -> PoolTokens:
    """The tokens of all intakes; those of one are just these."""
    return parts[0] if len(parts) == 1 else IntakeTokens(tuple(parts))


_NOTHING: NDArray[np.int32] = np.empty(0, dtype=np.int32)


def _by_part(rows: Positions, sizes: Sequence[int]) -> Iterator[tuple[int, Positions, Positions]]:
    """For each part with some of the rows: its number, where these are, and its own rows."""
    ends = np.cumsum(sizes)
    numbers = np.searchsorted(ends, rows, side="right")
    for number in np.unique(numbers).tolist():
        inside = np.flatnonzero(numbers == number)
        yield number, inside, rows[inside] - (ends[number] - sizes[number])
