"""Owns BADGE with a generator that can be seeded; must not compute embeddings."""

from __future__ import annotations

import numpy as np

from loopd.learning.labels import several
from loopd.learning.strategies.kmeans import spread, squared
from loopd.learning.strategies.multi_label import thresholds
from loopd.learning.strategies.space import CANDIDATES, candidates, generator
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class SeededBADGE(ChoosingStrategy):
    """k-means++ over gradient embeddings: uncertain records that differ from each other.

    Paper: Ash et al. 2020, arXiv 1906.03671, algorithm 1. The gradient embedding of a record is the
    outer product of ``p - onehot(argmax p)`` and its embedding; distances between outer products
    need only the two factors, so that memory stays linear in the pool. The first record is the one
    with the longest gradient, as in the authors' code.

    small-text's class draws from a generator that cannot be seeded, leaves out the one-hot term of
    the gradient, and hands norms to k-means++ that should be squared.

    With several labels the gradient is that of their binary cross-entropies: the one-hot term
    becomes the label set that the thresholds give.

    Cost: embedding the candidates; then time n x candidates x (d + C), memory candidates x d.
    Needs: probabilities and embeddings. Draws. No scores.

    Args:
        num_classes: C; part of small-text's signature.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, num_classes: int, candidates: int = CANDIDATES) -> None:
        self.num_classes = num_classes
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of drawing."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        residual = context.model.predict_proba(context.pool[free]).astype(np.float64)
        if several(context.y):
            residual -= residual >= thresholds(context.model)
        else:
            residual[np.arange(len(residual)), residual.argmax(axis=1)] -= 1
        embedded = np.asarray(context.model.embed(context.pool[free], pbar=None))
        longest = int((squared(residual) * squared(embedded)).argmax())
        return Selection(free[spread(residual, embedded, n, rng, first=longest)])

    def __str__(self) -> str:
        return f"BADGE(num_classes={self.num_classes})"
