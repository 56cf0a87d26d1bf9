"""Owns uncertainty herding: records near to much doubt that nothing known is near to."""

from __future__ import annotations

import numpy as np

from loopd.learning.arrays import Floats, Positions, Scores, Vectors
from loopd.learning.strategies.facility_location import greedy
from loopd.learning.strategies.space import (
    candidates,
    generator,
    is_cold,
    nearest_similarity,
    refuse_unknown_space,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection
from loopd.learning.strategies.uncertainty import margin_of

CITIZENS = 2000
"""Random open records whose doubt is to be covered, and as many that may be chosen."""

WIDEST = 1.0
"""The radius as long as there are fewer than two labelled records."""

NARROWEST = 0.05
"""The radius does not fall below it: twins among the labelled ones would make it 0."""


class UncertaintyHerding(ChoosingStrategy):
    """Records that together cover the model's doubt: facility location weighted by uncertainty.

    Each pick adds most to the sum, over a sample of the open records, of a record's uncertainty
    times its largest kernel value with any known record. The kernel is Gaussian; its radius is the
    smallest distance between two labelled records. Few labels lie far apart, so that a pick covers
    much and stands for many records; many labels lie close, and uncertainty decides alone.

    Paper: Bae et al. 2025, Uncertainty Herding (ICLR, arXiv 2412.20644), with the margin as the
    uncertainty, a sample of the pool, and the probabilities as they are: not scaled by a
    temperature.

    Cost: scoring the sample; time and memory sample x candidates. Needs: probabilities, and a
    representation or embeddings. Without a model all records are as uncertain. Draws the sample and
    the candidates. No scores.

    Args:
        sample: random open records whose doubt is to be covered.
        candidates: random open records that may be chosen.
        space: ``representation`` or ``embedding`` (the present model's).
        aggregate: how the margins of several labels become one, as for ``margin``.
    """

    def __init__(
        self,
        sample: int = CITIZENS,
        candidates: int = CITIZENS,
        space: str = "representation",
        aggregate: str = "mean",
    ) -> None:
        refuse_unknown_space(space)
        self.sample = sample
        self.candidates = candidates
        self.space = space
        self.aggregate = aggregate

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of choice."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        sample = candidates(context.unlabeled, self.sample, 1, rng)
        doubt = self._doubt(context, sample)
        citizens = context.vectors(sample, self.space)
        labelled = context.vectors(context.labeled, self.space)
        width = radius(labelled)
        covered = context.vectors(context.covered, self.space)
        served = doubt * _kernel(nearest_similarity(citizens, covered), width)
        offered = context.vectors(free, self.space)
        gains = doubt[:, None] * _kernel(citizens @ offered.T, width)
        return Selection(free[greedy(gains.astype(np.float32), served, n)])

    def _doubt(self, context: QueryContext, sample: Positions) -> Scores:
        """How uncertain each record (k,) is, from 0 to 1."""
        if is_cold(context.model):
            return np.ones(len(sample))
        score = margin_of(context.model, context.y, self.aggregate)
        proba = context.model.predict_proba(context.pool[sample])
        return 1 + np.asarray(score(proba), dtype=np.float64)

    def __str__(self) -> str:
        return f"UncertaintyHerding(sample={self.sample}, candidates={self.candidates})"


def radius(labelled: Vectors) -> float:
    """The smallest distance between two of the vectors (k, d) of length 1, within its bounds."""
    if len(labelled) < 2:
        return WIDEST
    nearest = max(
        float(nearest_similarity(labelled[row : row + 1], np.delete(labelled, row, axis=0))[0])
        for row in range(len(labelled))
    )
    return float(np.clip(np.sqrt(max(2 - 2 * nearest, 0.0)), NARROWEST, WIDEST))


def _kernel(cosines: Floats, width: float) -> Floats:
    """exp(-distance^2 / width^2) of vectors of length 1; no neighbour (``-inf``) gives 0."""
    values: Floats = np.exp(-(2 - 2 * np.asarray(cosines, dtype=np.float64)) / width**2)
    return values
