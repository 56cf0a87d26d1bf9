"""Owns diverse margin: uncertain records, one for each kind of uncertainty; must not score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import QueryStrategy

from loopd.learning.strategies.kmeans import clusters
from loopd.learning.strategies.multi_label import refuse_unknown_aggregate
from loopd.learning.strategies.space import (
    generator,
    most_informative,
    refuse_unknown_space,
    vectors,
)
from loopd.learning.strategies.uncertainty import margin_of

Positions = NDArray[np.int64]


class DiverseMargin(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """The least certain records, clustered; of each cluster the one nearest to its centre.

    The middle of a cluster of uncertain records is uncertain and typical of others, where the most
    uncertain record of all is often an odd one or a mistake; that is why this strategy loses
    nothing on noisy data.

    Paper: Zhdanov 2019, Diverse mini-batch active learning (arXiv 1901.05954), without weights.

    Cost: scoring the pool and embedding ``factor * n`` records; then k-means over these. Needs:
    probabilities and embeddings, or a representation. Draws the start of k-means. Scores: 1 -
    margin.

    Args:
        factor: uncertain records for each one that is chosen.
        space: ``embedding`` (the present model's) or ``representation``.
        aggregate: how the margins of several labels become one, as for ``margin``.
    """

    def __init__(self, factor: int = 10, space: str = "embedding", aggregate: str = "mean") -> None:
        refuse_unknown_space(space)
        refuse_unknown_aggregate(aggregate)
        self.factor = factor
        self.space = space
        self.aggregate = aggregate

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,), the least certain first."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        wanted = min(len(indices_unlabeled), max(n, self.factor * n))
        score = margin_of(clf, y, self.aggregate)
        unsure, values = most_informative(clf, dataset, indices_unlabeled, wanted, score)
        places = np.arange(n)
        if wanted > n:
            places = central(vectors(clf, dataset, unsure, self.space), n, generator())
        self.chosen_scores_ = 1 + values[places]
        return unsure[places]

    def __str__(self) -> str:
        return f"DiverseMargin(factor={self.factor}, space={self.space})"


def central(some: NDArray[np.float32], n: int, rng: np.random.Generator) -> Positions:
    """Rows (n,) ascending: of each of ``n`` clusters the one nearest to the mean.

    Where clusters stay empty, because rows repeat each other, the first rows left make up for them.
    """
    cluster = clusters(some, n, rng)
    chosen = []
    for number in np.unique(cluster):
        members = np.flatnonzero(cluster == number)
        away = some[members] - some[members].mean(axis=0)
        chosen.append(int(members[np.einsum("ij,ij->i", away, away).argmin()]))
    rest = np.setdiff1d(np.arange(len(some)), chosen)
    return np.sort(np.concatenate([chosen, rest[: n - len(chosen)]])).astype(np.int64)
