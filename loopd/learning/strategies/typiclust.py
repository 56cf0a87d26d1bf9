"""Owns TypiClust, a cold start: typical records of each part of the pool; must not need a model."""

from __future__ import annotations

import numpy as np

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.strategies.kmeans import clusters
from loopd.learning.strategies.space import (
    CANDIDATES,
    blocks,
    candidates,
    generator,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection

MEMBERS = 5000
"""In a larger cluster the typical record is looked for among so many random members."""


class TypiClust(ChoosingStrategy):
    """The most typical record of each cluster without a label, large clusters first.

    Paper: Hacohen et al. 2022, arXiv 2202.02794 (TPC_RP). As many clusters are made as there are
    labelled records and records to choose. Clusters with the fewest records that people know come
    first; typical is what is nearest to its neighbours in the cluster. Clusters of fewer than
    ``min_cluster`` records are outliers, taken when no other is left.

    Cost: k-means over the candidates: time candidates x clusters x d for each iteration, memory
    candidates x (d + clusters). Needs: a representation. Cold start. Draws. No scores.

    Args:
        neighbors: whose distance says how typical a record is.
        max_clusters: at most so many are made.
        min_cluster: records of a cluster that is no outlier.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(
        self,
        neighbors: int = 20,
        max_clusters: int = 500,
        min_cluster: int = 5,
        candidates: int = CANDIDATES,
    ) -> None:
        self.neighbors = neighbors
        self.max_clusters = max_clusters
        self.min_cluster = min_cluster
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of choice."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        covered = context.covered
        some = context.represented(np.concatenate([free, covered]))
        count = max(1, min(len(covered) + n, self.max_clusters, len(some)))
        cluster = clusters(some, count, rng)
        return Selection(free[self._picked(some[: len(free)], cluster, n, rng)])

    def _picked(
        self, free: Vectors, cluster: Positions, n: int, rng: np.random.Generator
    ) -> Positions:
        """Rows (n,) of the free vectors (m, d); the clusters beyond m are of covered records."""
        of_free, count = cluster[: len(free)], int(cluster.max()) + 1
        sizes = np.bincount(cluster, minlength=count)
        covered = np.bincount(cluster[len(free) :], minlength=count)
        members = [np.flatnonzero(of_free == number) for number in range(count)]
        picked: list[int] = []
        while len(picked) < n:
            left = np.array([len(some) for some in members])
            order = np.lexsort((-sizes, covered, sizes < self.min_cluster, left == 0))
            number = int(order[0])
            index = most_typical(free[members[number]], self.neighbors, rng)
            picked.append(int(members[number][index]))
            members[number] = np.delete(members[number], index)
            covered[number] += 1
        return np.array(picked, dtype=np.int64)

    def __str__(self) -> str:
        return f"TypiClust(neighbors={self.neighbors}, max_clusters={self.max_clusters})"


def most_typical(some: Vectors, neighbors: int, rng: np.random.Generator) -> int:
    """Row of the vector with the least mean distance to its nearest neighbours.

    Neighbours are at most half of the vectors, as in the authors' code.
    """
    if len(some) > MEMBERS:
        sample = np.sort(rng.choice(len(some), MEMBERS, replace=False))
        return int(sample[most_typical(some[sample], neighbors, rng)])
    count = min(neighbors, max(1, len(some) // 2))
    if len(some) < 2:
        return 0
    distance = np.empty(len(some))
    for part in blocks(len(some)):
        cosines = some[part] @ some.T
        cosines[np.arange(len(cosines)), np.arange(part.start, part.stop)] = -np.inf
        nearest = np.partition(cosines, len(some) - count, axis=1)[:, len(some) - count :]
        distance[part] = np.sqrt(np.maximum(2 - 2 * nearest, 0)).mean(axis=1)
    return int(distance.argmin())
