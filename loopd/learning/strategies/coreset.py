"""Owns the strategies that only spread over the vectors; must not look at probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import QueryStrategy

from loopd.learning.strategies.kmeans import plain, spread
from loopd.learning.strategies.space import (
    CANDIDATES,
    candidates,
    covered,
    generator,
    nearest_similarity,
    refuse_unknown_space,
    vectors,
)

Positions = NDArray[np.int64]


class GreedyCoreset(QueryStrategy):  # type: ignore[misc] # small-text is not typed
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

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,) in the order of choice."""
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        free = candidates(indices_unlabeled, self.candidates, n, generator())
        known = covered(dataset, indices_unlabeled)
        some = vectors(clf, dataset, np.concatenate([free, known]), self.space)
        return free[farthest(some[: len(free)], some[len(free) :], n)]

    def __str__(self) -> str:
        return f"GreedyCoreset(space={self.space})"


def farthest(some: NDArray[np.float32], centres: NDArray[np.float32], n: int) -> Positions:
    """Rows (n,) of vectors (m, d) of length 1, each farthest from the centres and those before."""
    nearest = nearest_similarity(some, centres)
    chosen: list[int] = []
    while len(chosen) < n:
        if chosen or len(centres):
            chosen.append(int(nearest.argmin()))
        else:
            chosen.append(int((some @ some.mean(axis=0)).argmax()))
        nearest = np.maximum(nearest, some @ some[chosen[-1]])
        nearest[chosen] = np.inf
    return np.array(chosen, dtype=np.int64)


class KMeansPlusPlus(QueryStrategy):  # type: ignore[misc] # small-text is not typed
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

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,) in the order of drawing."""
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        rng = generator()
        free = candidates(indices_unlabeled, self.candidates, n, rng)
        known = covered(dataset, indices_unlabeled)
        some = vectors(clf, dataset, np.concatenate([free, known]), self.space)
        some, centres = some[: len(free)], some[len(free) :]
        distances = np.maximum(2 - 2 * nearest_similarity(some, centres), 0)
        return free[spread(*plain(some), n, rng, nearest=distances)]

    def __str__(self) -> str:
        return f"KMeansPlusPlus(space={self.space})"
