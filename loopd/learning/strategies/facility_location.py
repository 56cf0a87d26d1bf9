"""Owns facility location, a cold start: records that stand for all others; needs no model."""

from __future__ import annotations

import numpy as np

from loopd.learning.arrays import Floats, Positions, Vectors
from loopd.learning.strategies.space import (
    candidates,
    generator,
    nearest_similarity,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection

CITIZENS = 1200
"""Random records that are to be represented, and as many that may be chosen."""


class FacilityLocation(ChoosingStrategy):
    """Records so that every record of the pool is near to one that people know.

    Each pick adds most to the sum, over a sample of the pool, of the largest cosine with any known
    record: that is the greedy solution of facility location, within 63 % of the best there is.

    Paper: Lin and Bilmes 2009 (Interspeech, "How to select a good training-data subset"); greedy
    bound from Nemhauser et al. 1978.

    Cost: time and memory sample x candidates, whatever the size of the pool. Needs: a
    representation. Cold start. Draws the sample and the candidates. No scores.

    Args:
        sample: random records that are to be represented.
        candidates: random records that may be chosen.
    """

    def __init__(self, sample: int = CITIZENS, candidates: int = CITIZENS) -> None:
        self.sample = sample
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of choice."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        sample = candidates(np.arange(len(context.pool)), self.sample, 1, rng)
        citizens = context.represented(sample)
        covered = context.represented(context.covered)
        served = np.maximum(nearest_similarity(citizens, covered), 0)
        return Selection(free[greedy(citizens @ context.represented(free).T, served, n)])

    def __str__(self) -> str:
        return f"FacilityLocation(sample={self.sample}, candidates={self.candidates})"


def greedy(similarity: Vectors, served: Floats, n: int) -> Positions:
    """Columns that together serve the rows best, one after the other.

    Args:
        similarity: (citizens, candidates); below zero counts as zero.
        served: (citizens,) what each has already, not below zero.
        n: how many, at most the number of candidates.

    Returns:
        Columns (n,) in the order of choice; of equal ones the first.
    """
    served = served.copy()
    picked: list[int] = []
    for _ in range(n):
        gains = np.maximum(similarity - served[:, None], 0).sum(axis=0, dtype=np.float64)
        gains[picked] = -1
        best = int(gains.argmax())
        picked.append(best)
        served = np.maximum(served, similarity[:, best])
    return np.array(picked, dtype=np.int64)
