"""Owns means with their uncertainty over seeds; must not know what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """A mean over seeds with its 95 % t interval.

    Attributes:
        mean: of the values.
        low, high: the interval; ``None`` with fewer than two values.
        values: one for each seed, in order.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many values."""
        return len(self.values)

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.high is None else self.high - self.mean


def estimate(values: Sequence[float]) -> IntervalEstimate | None:
    """Mean and Student's t interval (``scipy.stats.t``) of values; ``None`` without any."""
    from scipy.stats import t

    if not values:
        return None
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return IntervalEstimate(mean, None, None, tuple(values))
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(t.ppf(0.5 + LEVEL / 2, n - 1)) * spread / math.sqrt(n)
    return IntervalEstimate(mean, mean - half, mean + half, tuple(values))
