"""Owns the strategies that only spread over the vectors; must not look at probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions
from loopd.learning.strategies.kmeans import plain, spread
from loopd.learning.strategies.space import (
    CANDIDATES,
    candidates,
    generator,
    nearest_similarity,
    refuse_unknown_space,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class GreedyCoreset(ChoosingStrategy):
    """The record farthest from everything known or chosen, one after the other (k-center).

    Paper: Sener and Savarese 2018, arXiv 1708.00489. Labelled records are centres from the start,
    and so are those out with annotators or discarded. Vectors have length 1, so that Euclidean and
    angular distance give the same order. Without any centre the most central record is the first.

    Cost: embedding the candidates and the centres; then time candidates x (centres + n) x d, memory
    linear. Needs: embeddings, or a representation. Draws only to narrow the pool. No scores.

    Args:
        space: ``embedding`` (the present model's, as in the paper) or ``representation``; before
            there is a model it is the representation.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, space: str = "embedding", candidates: int = CANDIDATES) -> None:
        refuse_unknown_space(space)
        self.space = space
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of choice."""
        free = candidates(context.unlabeled, self.candidates, n, generator())
        some = context.vectors(np.concatenate([free, context.covered]), self.space)
        return Selection(free[farthest(some[: len(free)], some[len(free) :], n)])

    def __str__(self) -> str:
        return f"GreedyCoreset(space={self.space})"


def farthest(some: NDArray[np.float32], centres: NDArray[np.float32], n: int) -> Positions:
    """Rows (n,) of vectors (m, d) of length 1, each farthest from the centres and those before."""
    nearest = nearest_similarity(some, centres)
    picked: list[int] = []
    while len(picked) < n:
        if picked or len(centres):
            picked.append(int(nearest.argmin()))
        else:
            picked.append(int((some @ some.mean(axis=0)).argmax()))
        nearest = np.maximum(nearest, some @ some[picked[-1]])
        nearest[picked] = np.inf
    return np.array(picked, dtype=np.int64)


class KMeansPlusPlus(ChoosingStrategy):
    """Records drawn with a probability that grows with the squared distance to what is known.

    Paper: Arthur and Vassilvitskii 2007 (the seeding alone). Unlike the greedy core-set it does
    not run after outliers. Labelled records are centres from the start, and so are those out with
    annotators or discarded.

    Cost: as ``greedy_coreset``. Needs: embeddings, or a representation. Draws. No scores.

    Args:
        space: as for ``greedy_coreset``.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, space: str = "embedding", candidates: int = CANDIDATES) -> None:
        refuse_unknown_space(space)
        self.space = space
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of drawing."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        some = context.vectors(np.concatenate([free, context.covered]), self.space)
        some, centres = some[: len(free)], some[len(free) :]
        distances = np.maximum(2 - 2 * nearest_similarity(some, centres), 0)
        return Selection(free[spread(*plain(some), n, rng, nearest=distances)])

    def __str__(self) -> str:
        return f"KMeansPlusPlus(space={self.space})"
