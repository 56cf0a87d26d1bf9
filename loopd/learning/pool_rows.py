"""Owns where records stand in the pool: ids outside, positions inside; must not know labels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.arrays import Positions
from loopd.records import PoolId, Target, Targets


@dataclass(frozen=True, slots=True)
class PoolRows:
    """The rows of a pool.

    Attributes:
        pool: all texts.
    """

    pool: Pool

    def of(self, ids: Collection[PoolId]) -> Positions:
        """Positions (k,) of the ids in their order; those that the pool lacks are left out."""
        found = np.array(self.pool.find(ids), dtype=np.int64)
        return found[found >= 0]

    def aligned(self, targets: Targets) -> tuple[Positions, list[Target]]:
        """Positions and targets in the order of the pool: labels meet texts by id.

        Raises:
            ModelError: an id that the pool does not hold.
        """
        ids = sorted(targets)
        found = np.array(self.pool.find(ids), dtype=np.int64)
        if len(found) and found.min() < 0:
            raise ModelError(f"not a record of the pool: {ids[int(np.argmin(found))]!r}")
        order = np.argsort(found)
        return found[order], [targets[ids[number]] for number in order]
