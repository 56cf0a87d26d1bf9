"""Owns diverse margin: uncertain records, one for each kind of uncertainty; must not score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions
from loopd.learning.strategies.kmeans import clusters
from loopd.learning.strategies.multi_label import refuse_unknown_aggregate
from loopd.learning.strategies.space import (
    generator,
    refuse_unknown_space,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection
from loopd.learning.strategies.uncertainty import margin_of


class DiverseMargin(ChoosingStrategy):
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

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), the least certain first."""
        size = min(len(context.unlabeled), max(n, self.factor * n))
        score = margin_of(context.model, context.y, self.aggregate)
        unsure, values = context.most_informative(size, score)
        ranks = np.arange(n)
        if size > n:
            ranks = central(context.vectors(unsure, self.space), n, generator())
        return Selection(unsure[ranks], 1 + values[ranks])

    def __str__(self) -> str:
        return f"DiverseMargin(factor={self.factor}, space={self.space})"


def central(some: NDArray[np.float32], n: int, rng: np.random.Generator) -> Positions:
    """Rows (n,) ascending: of each of ``n`` clusters the one nearest to the mean.

    Where clusters stay empty, because rows repeat each other, the first rows left make up for them.
    """
    cluster = clusters(some, n, rng)
    middle = []
    for number in np.unique(cluster):
        members = np.flatnonzero(cluster == number)
        away = some[members] - some[members].mean(axis=0)
        middle.append(int(members[np.einsum("ij,ij->i", away, away).argmin()]))
    rest = np.setdiff1d(np.arange(len(some)), middle)
    return np.sort(np.concatenate([middle, rest[: n - len(middle)]])).astype(np.int64)
