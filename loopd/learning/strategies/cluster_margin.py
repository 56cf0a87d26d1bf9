"""Owns cluster margin: uncertain records that differ; must not weigh certain ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions
from loopd.learning.strategies.multi_label import refuse_unknown_aggregate
from loopd.learning.strategies.space import refuse_unknown_space
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection
from loopd.learning.strategies.uncertainty import margin_of

MOST = 5000
"""Uncertain records that are clustered at most: the distances between them take 100 MB."""


class ClusterMargin(ChoosingStrategy):
    """The least certain records, from different clusters in turn, small clusters first.

    Paper: Citovsky et al. 2021, arXiv 2107.14263. The paper clusters the whole pool once; here the
    uncertain records alone are clustered (average linkage), into as many clusters as records are
    asked for, so that the pool may be of any size. From a cluster the least certain record comes
    next, where the paper draws one.

    Cost: scoring the pool and embedding ``factor * n`` records; then time and memory
    (factor * n)^2. Needs: probabilities and embeddings, or a representation. Draws nothing.
    Scores: 1 - margin.

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
        """Indices (n,)."""
        size = min(len(context.unlabeled), max(n, min(self.factor * n, MOST)))
        score = margin_of(context.model, context.y, self.aggregate)
        unsure, values = context.most_informative(size, score)
        ranks = np.arange(n)
        if size > n:
            ranks = in_turn(linked(context.vectors(unsure, self.space), n))[:n]
        return Selection(unsure[ranks], 1 + values[ranks])

    def __str__(self) -> str:
        return f"ClusterMargin(factor={self.factor}, space={self.space})"


def linked(some: NDArray[np.float32], count: int) -> Positions:
    """Cluster (m,) of each vector by average linkage, cut into at most ``count`` clusters."""
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(some, method="average", metric="euclidean")
    return np.asarray(fcluster(tree, t=count, criterion="maxclust"), dtype=np.int64)


def in_turn(cluster: Positions) -> Positions:
    """Ranks (m,) of all members: the first of each cluster, then the second of each, and so on.

    Args:
        cluster: (m,) of the records in the order of preference.

    Returns:
        Ranks in that order; within a turn small clusters first, then the preferred record.
    """
    _, inverse, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    turn = np.zeros(len(cluster), dtype=np.int64)
    for number in range(len(sizes)):
        members = np.flatnonzero(inverse == number)
        turn[members] = np.arange(len(members))
    return np.lexsort((np.arange(len(cluster)), sizes[inverse], turn))
