"""Owns ProbCover, a cold start: balls that cover most of the pool; must not need a model."""

from __future__ import annotations

import numpy as np

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.strategies.kmeans import clusters
from loopd.learning.strategies.space import (
    blocks,
    candidates,
    generator,
    nearest_similarity,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection

SMALLEST = 1e-3
"""Below this radius only repeated texts are left to cover."""

PROBED = 2000
"""Records on which the purity of balls is measured."""


class ProbCover(ChoosingStrategy):
    """The record whose ball covers most records that no ball covers yet, one after the other.

    Paper: Yehuda et al. 2022, arXiv 2205.11320. The radius is the largest at which a share
    ``purity`` of all balls stays within one of C k-means clusters, C being the number of labels.
    Records that people know cover from the start. When all is covered, the radius is halved. No
    graph is kept: degrees are counted anew from what was just covered.

    Cost: time candidates^2 x d (each record is covered once), memory linear. Needs: a
    representation. Cold start. Draws. No scores.

    Args:
        purity: share of balls that must be pure; unused with a radius.
        radius: of a ball, between 0 and 2; ``None`` to take it from the purity.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(
        self, purity: float = 0.95, radius: float | None = None, candidates: int = 20_000
    ) -> None:
        self.purity = purity
        self.radius = radius
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) in the order of choice."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        some = context.represented(free)
        centres = context.represented(context.covered)
        radius = self.radius or pure_radius(some, context.model.num_classes, self.purity, rng)
        return Selection(free[covering(some, centres, n, radius, rng)])

    def __str__(self) -> str:
        return f"ProbCover(purity={self.purity}, radius={self.radius})"


def pure_radius(some: Vectors, classes: int, purity: float, rng: np.random.Generator) -> float:
    """The largest radius at which a share of balls holds records of one cluster only."""
    cluster = clusters(some, min(classes, len(some)), rng)
    probes = candidates(np.arange(len(some)), PROBED, 1, rng)
    foreign = np.empty(len(probes))
    for part in blocks(len(probes)):
        rows = probes[part]
        cosines = some[rows] @ some.T
        cosines[cluster[rows][:, None] == cluster[None, :]] = -1
        foreign[part] = np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1), 0))
    return float(np.quantile(foreign, 1 - purity, method="lower")) * 0.999


def covering(
    some: Vectors, centres: Vectors, n: int, radius: float, rng: np.random.Generator
) -> Positions:
    """Rows (n,) of vectors (m, d), each covering the most of what is not covered before it."""
    nearest = nearest_similarity(some, centres)
    picked: list[int] = []
    while len(picked) < n:
        reach = 1 - radius**2 / 2 - 1e-6
        open_ = nearest < reach
        degree = _within(some, some[open_], reach)
        degree[picked] = 0
        while len(picked) < n and degree.max() > 0:
            row = int(degree.argmax())
            picked.append(row)
            near = some @ some[row]
            nearest = np.maximum(nearest, near)
            fresh = open_ & (near >= reach)
            open_ &= ~fresh
            degree -= _within(some, some[fresh], reach)
            degree[picked] = 0
        radius /= 2
        if len(picked) < n and radius < SMALLEST:
            rest = np.setdiff1d(np.arange(len(some)), picked)
            picked += rng.choice(rest, n - len(picked), replace=False).tolist()
    return np.array(picked, dtype=np.int64)


def _within(some: Vectors, others: Vectors, reach: float) -> Positions:
    """How many of the others are at least so near (m,)."""
    count = np.zeros(len(some), dtype=np.int64)
    for part in blocks(len(others)):
        for block in blocks(len(some)):
            count[block] += (some[block] @ others[part].T >= reach).sum(axis=1)
    return count
