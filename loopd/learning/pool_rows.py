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
        positions = self.pool.positions
        return np.array([positions[id_] for id_ in ids if id_ in positions], dtype=np.int64)

    def aligned(self, targets: Targets) -> tuple[Positions, list[Target]]:
        """Positions and targets in the order of the pool: labels meet texts by id.

        Raises:
            ModelError: an id that the pool does not hold.
        """
        unknown = next((id_ for id_ in sorted(targets) if id_ not in self.pool), None)
        if unknown is not None:
            raise ModelError(f"not a record of the pool: {unknown!r}")
        positions = np.sort(self.of(targets))
        return positions, [targets[self.pool.records[position].id] for position in positions]
