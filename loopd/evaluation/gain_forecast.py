"""Owns what the next labels are expected to bring, from how a run's models did so far; pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopd.evaluation.audit_intervals import log_slope

AHEAD = 100
"""So many labels are looked ahead."""

LEAST_DRAWS, LEAST_ROUNDS, ROUNDS = 20, 4, 8
"""Draws and rounds that are needed, and the last rounds that count."""

LEAST_GROWTH = 1.25
"""The labels must have grown by so much over these rounds."""

RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class GainForecast:
    """What accuracy the next ``AHEAD`` labels are expected to add, with a 95 % interval."""

    gain: float
    low: float
    high: float


def expected(labels: list[int], right: NDArray[np.bool_], seed: int) -> GainForecast | None:
    """Expected rise of the accuracy, by a power law through the last rounds.

    All rounds are judged on the same draws. The interval is a bootstrap over draws and rounds; it
    is about the models' true accuracy, not about what the next measurement will show.

    Args:
        labels: (r,) labels behind each round's model, oldest first.
        right: (r, m) whether each round's model is right on each draw.
        seed: of the bootstrap.

    Returns:
        ``None`` with too few draws, rounds or labels: no further than to twice the labels.
    """
    sizes, right = np.asarray(labels[-ROUNDS:], dtype=np.float64), right[-ROUNDS:]
    few = right.shape[0] < LEAST_ROUNDS or right.shape[1] < LEAST_DRAWS
    if few or sizes[-1] < AHEAD or sizes[-1] < LEAST_GROWTH * sizes[0]:
        return None
    rng = np.random.default_rng(seed)
    rounds, draws = right.shape
    gains: list[float] = []
    while len(gains) < RESAMPLES:
        some = np.sort(rng.integers(rounds, size=rounds))
        if len(np.unique(sizes[some])) > 1:
            weights = rng.multinomial(draws, np.full(draws, 1 / draws)) / draws
            gains.append(_gain(sizes[some], right[some] @ weights, sizes[-1], draws))
    low, high = np.quantile(gains, [0.025, 0.975])
    return GainForecast(_gain(sizes, right.mean(axis=1), sizes[-1], draws), float(low), float(high))


def _gain(
    sizes: NDArray[np.float64], accuracy: NDArray[np.float64], now: float, draws: int
) -> float:
    level, exponent = log_slope(sizes, np.maximum(1 - accuracy, 0.5 / draws))
    error = min(1.0, float(np.exp(level)) * float(now / sizes[-1]) ** -exponent)
    gain: float = error * (1 - float((now + AHEAD) / now) ** -exponent)
    return gain
