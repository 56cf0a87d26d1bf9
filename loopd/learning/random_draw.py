"""Owns a draw at random from a pool; imports nothing heavy, and must not ask a model."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.random import Generator

from loopd.data.pool import Pool
from loopd.records import BatchItem, PoolId

FIRST = "first batch"
"""Purpose by which such draws are seeded."""


def drawn_at_random(
    pool: Pool, size: int, taken: Collection[PoolId], rng: Generator
) -> tuple[BatchItem, ...]:
    """Records of the pool; fewer where fewer are left.

    Args:
        pool: to draw from.
        size: how many.
        taken: ids that are not drawn.
        rng: decides.
    """
    free = np.ones(len(pool), dtype=bool)
    free[[position for position in pool.find(taken) if position >= 0]] = False
    positions = np.flatnonzero(free)
    drawn = positions[rng.permutation(len(positions))[:size]]
    return tuple(map(BatchItem, pool.ids_at(drawn.tolist())))
