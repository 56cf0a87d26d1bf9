"""Owns the comparison of chosen labels with random ones, and how many labels choosing saved; pure.

Both are judged by one cheap fixed head on vectors that no label changed, on the same random draws:
a draw is never among the labels of a head that is judged on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopd.evaluation.audit_intervals import log_slope

LEAST = 20
"""So many draws with a label there must be before anything is said."""

SHARES = (0.2, 0.3, 0.45, 0.67, 1.0)
"""Sizes at which the curve of random labels is looked at, as shares of the largest."""

REPEATS, PASS, RESAMPLES = 100, 10, 400
"""Random orders of the draws; so many test each draw once; and bootstrap samples."""

FARTHEST = 2.0
"""So far the curve of random labels is drawn out, in times of what was measured."""

PENALTY = 0.5
"""Of the head, where vectors have length 1."""

SURE = 0.975

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """Texts with labels.

    Attributes:
        vectors: (n, d), of length 1.
        y: (n,) class numbers.
        shared: (g,) rows with labels from before the run, which both arms have.
        selected: (c,) rows that a strategy chose, oldest first.
        draws: (m,) rows that were drawn at random.
    """

    vectors: Floats
    y: Rows
    shared: Rows
    selected: Rows
    draws: Rows


@dataclass(frozen=True, slots=True)
class Savings:
    """What so many chosen labels reach, and so many random ones.

    Attributes:
        labels: how many of each.
        selected, random: accuracy of the head.
        gain: the difference, with its 95 % interval ``gain_low`` and ``gain_high``.
        saved: random labels that reach what the chosen ones do, minus the chosen ones; with its
            95 % interval. Never beyond ``labels`` either way. ``None`` as long as it is not seen
            that random labels help at all, or nothing can be excluded.
    """

    labels: int
    selected: float
    random: float
    gain: float
    gain_low: float
    gain_high: float
    saved: float | None = None
    saved_low: float | None = None
    saved_high: float | None = None


def compare(material: Material, seed: int) -> Savings | None:
    """The comparison at the largest number of labels that both arms have.

    The chosen arm is this run's first labels; the random arm is the mean over random orders of the
    draws, each of which is judged on the draws that come later in the order. The interval is that
    of a bootstrap over draws (of both arms at once) and over orders.

    Args:
        material: what there is.
        seed: of orders and bootstrap.

    Returns:
        ``None`` with fewer than ``LEAST`` draws or as many chosen labels.
    """
    top = min(len(material.draws) - -(-len(material.draws) // 10), len(material.selected) - 2)
    if len(material.draws) < LEAST or top < LEAST // 2:
        return None
    head = Head(material)
    rng = np.random.default_rng(seed)
    sizes = np.unique([max(5, round(share * top)) for share in SHARES])
    random = _random(head, sizes, rng)
    around = range(max(1, top - 2), top + 3)
    selected = np.mean([head.right(material.selected[:size], material.draws) for size in around], 0)
    everything = np.full(len(material.draws), 1.0), np.arange(REPEATS)
    point = _arms(sizes, random, selected, *everything)
    samples = [
        _arms(sizes, random, selected, *_resampled(len(material.draws), rng))
        for _ in range(RESAMPLES)
    ]
    return _summed_up(top, point, samples)


class Head:
    """Regularised least squares on class indicators, which is solved at once and draws nothing.

    Args:
        material: the texts; a head learns from ``shared`` besides what it is shown.
    """

    def __init__(self, material: Material) -> None:
        self._y = material.y
        self._shared = material.shared
        self._table = np.eye(int(material.y.max()) + 1)
        self._likeness = material.vectors @ material.vectors.T
        self.draws = material.draws

    def right(self, learned: Rows, tested: Rows) -> NDArray[np.bool_]:
        """Whether each tested row (k,) is classified right after learning from other rows."""
        rows = np.concatenate([self._shared, learned])
        targets = self._table[self._y[rows]]
        mean = targets.mean(axis=0)
        square = self._likeness[np.ix_(rows, rows)] + PENALTY * np.eye(len(rows))
        weights = np.linalg.solve(square, targets - mean)
        scores = self._likeness[np.ix_(tested, rows)] @ weights + mean
        return np.asarray(scores.argmax(axis=1) == self._y[tested])


@dataclass(frozen=True)
class _Random:
    """For each order, size and draw (orders, sizes, m): whether it was judged, and right."""

    judged: Floats
    right: Floats


@dataclass(frozen=True, slots=True)
class _Point:
    selected: float
    random: float
    exponent: float
    worth: float
    """Random labels that reach what the chosen do, as a share of these."""


def _random(head: Head, sizes: Rows, rng: np.random.Generator) -> _Random:
    m = len(head.draws)
    judged, right = np.zeros((2, REPEATS, len(sizes), m))
    for repeat in range(REPEATS):
        order = rng.permutation(m)
        for index, size in enumerate(sizes):
            held = order[size:]
            judged[repeat, index, held] = 1
            right[repeat, index, held] = head.right(head.draws[order[:size]], head.draws[held])
    return _Random(judged, right)


def _resampled(count: int, rng: np.random.Generator) -> tuple[Floats, Rows]:
    """How often each draw counts, and the orders that count."""
    weights = rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64)
    return weights, rng.choice(REPEATS, PASS, replace=False)


def _arms(sizes: Rows, random: _Random, selected: Floats, weights: Floats, orders: Rows) -> _Point:
    judged, right = random.judged[orders].sum(axis=0), random.right[orders].sum(axis=0)
    of_random = (right @ weights) / np.maximum(judged @ weights, 1)
    of_selected = float(selected @ weights / weights.sum())
    least = 0.5 / len(weights)
    level, exponent = log_slope(sizes.astype(np.float64), np.maximum(1 - of_random, least))
    ahead = level - float(np.log(max(1 - of_selected, least)))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        worth = 1.0 if ahead == 0 else float(np.exp(np.float64(ahead) / exponent))
    return _Point(of_selected, float(of_random[-1]), exponent, min(worth, FARTHEST))


def _summed_up(labels: int, point: _Point, samples: list[_Point]) -> Savings:
    gains = [sample.selected - sample.random for sample in samples]
    low, high = np.quantile(gains, [1 - SURE, SURE])
    plain = Savings(
        labels, point.selected, point.random, point.selected - point.random, float(low), float(high)
    )
    helps = np.mean([sample.exponent > 0 for sample in samples]) >= SURE and point.exponent > 0
    saved = [(sample.worth - 1) * labels for sample in samples]
    least, most = (float(value) for value in np.quantile(saved, [1 - SURE, SURE]))
    if not helps or most - least >= 0.99 * FARTHEST * labels:
        return plain
    return Savings(
        *(plain.labels, plain.selected, plain.random, plain.gain, plain.gain_low, plain.gain_high),
        saved=(point.worth - 1) * labels,
        saved_low=least,
        saved_high=most,
    )
