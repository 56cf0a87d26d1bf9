"""Owns features of two sets of texts as those of one; must not compute or copy any whole set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse, vstack

from loopd.learning.arrays import Mask, Positions
from loopd.learning.features.intakes import IntakeTokens
from loopd.learning.features.tokens import Tokens, TokenStore, padded
from loopd.learning.protocols import Features


def joined(first: Features, second: Features) -> Features:
    """Both, one after the other; rows are read from either when they are asked for."""
    if isinstance(first, (TokenStore, IntakeTokens)) and isinstance(second, TokenStore):
        return JoinedTokens(first, second)
    return JoinedRows(first, second)


@dataclass(frozen=True)
class JoinedRows:
    """Rows of two matrices, dense or sparse, or of two arrays of texts.

    Attributes:
        first: (n, ...).
        second: (m, ...).
    """

    first: Features
    second: Features

    @property
    def shape(self) -> tuple[int, ...]:
        """(n + m, ...)."""
        return (self.first.shape[0] + self.second.shape[0], *self.first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> Any:  # as the kind of features has them
        """The features of rows (k,), in their order."""
        before, after, back = _split(rows, self.first.shape[0])
        parts = [self.first[before], self.second[after]]
        if any(issparse(part) for part in parts):
            return csr_matrix(vstack(parts))[back]
        return np.concatenate(parts)[back]


@dataclass(frozen=True)
class JoinedTokens:
    """Tokens of two stores.

    Attributes:
        first: of n texts.
        second: of m texts.
    """

    first: Tokens
    second: Tokens

    @property
    def shape(self) -> tuple[int]:
        """(n + m,)."""
        return (self.first.shape[0] + self.second.shape[0],)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> list[NDArray[np.int32]]:
        """Token ids of each of the rows."""
        before, after, back = _split(rows, self.first.shape[0])
        texts: Sequence[NDArray[np.int32]] = [*self.first[before], *self.second[after]]
        return [texts[row] for row in back]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text (n + m,)."""
        return np.concatenate([self.first.lengths, self.second.lengths])

    def padded(self, rows: Positions, padding: int) -> tuple[Positions, Positions]:
        """Token ids and attention mask (k, longest of the rows)."""
        return padded(self, rows, padding)


def behind(features: Features, rows: Positions) -> Mask:
    """Which of the rows (k,) are of the second set; none where features were never joined."""
    if isinstance(features, (JoinedRows, JoinedTokens)):
        return np.asarray(rows >= features.first.shape[0])
    return np.zeros(len(rows), dtype=bool)


def _split(rows: Positions, border: int) -> tuple[Positions, Positions, Positions]:
    """Rows of the first and of the second, and where each of the rows is among these."""
    rows = np.asarray(rows, dtype=np.int64)
    is_first = rows < border
    order = np.concatenate([np.flatnonzero(is_first), np.flatnonzero(~is_first)])
    back = np.empty(len(rows), dtype=np.int64)
    back[order] = np.arange(len(rows))
    return rows[is_first], rows[~is_first] - border, back
