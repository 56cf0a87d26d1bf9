"""Owns vectors of texts that were made for one purpose and serve another; must not embed itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.features.joined import first_of
from loopd.learning.features.tokens import Tokens


@dataclass(frozen=True)
class KnownVectors:
    """Vectors of some texts, by an encoder that has not changed since.

    Attributes:
        tokens: of the texts, or of these and of descriptions behind them.
        rows: (m,) which texts, ascending.
        vectors: (m, d) theirs.
    """

    tokens: Tokens
    rows: Positions
    vectors: Vectors

    def of(self, tokens: Tokens, rows: Positions, embed: Callable[[Positions], Vectors]) -> Vectors:
        """Vectors (k, d) of rows, of which ``embed`` makes those that are not known."""
        found = self._found(rows) if first_of(tokens) is first_of(self.tokens) else None
        if found is None or not (found >= 0).any():
            return embed(rows)
        vectors = np.empty((len(rows), self.vectors.shape[1]), dtype=np.float32)
        missing = found < 0
        vectors[~missing] = self.vectors[found[~missing]]
        if missing.any():
            vectors[missing] = embed(rows[missing])
        return vectors

    def _found(self, rows: Positions) -> Positions:
        """Where each of the rows (k,) is among those that are known; -1: it is not."""
        if not len(self.rows):
            return np.full(len(rows), -1)
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[at] == rows, at, -1)
