"""Owns what random draws say of a model, with intervals that hold for a few draws; pure.

The draws are a plain random sample of the pool and no model was trained on them, so that they are a
test set which grows: no weights are needed. Of a pool that has grown they are one of each stratum,
and count by the texts for which they stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopd.records import Target

LEAST = 5
"""So many draws with a label there must be before anything is said."""

LEVEL = 0.95

DRAWN = 20_000
"""Sums of which the quantiles are an interval: its ends are right to a quarter of a point."""

Interval = tuple[float, float]


def share_interval(right: int, total: int) -> Interval:
    """95 % interval of a share that was estimated by counting; never covers less than that.

    Source: Clopper and Pearson 1934 (``scipy.stats.binomtest``).

    Args:
        right: how many of the draws.
        total: draws, at least one.
    """
    from scipy.stats import binomtest

    interval = binomtest(right, total).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True, slots=True)
class Counted:
    """The draws of a stratum: ``right`` of ``total``, standing for so many ``texts``."""

    right: int
    total: int
    texts: int


def stratified_share(strata: Sequence[Counted]) -> float:
    """The share of right texts in all strata; those without a draw have no part in it.

    Args:
        strata: at least one with a draw.
    """
    drawn = [stratum for stratum in strata if stratum.total]
    texts = sum(stratum.texts for stratum in drawn)
    return sum(stratum.texts * stratum.right / stratum.total for stratum in drawn) / texts


def stratified_interval(strata: Sequence[Counted]) -> Interval:
    """95 % interval of the share of right texts in all strata; that of Clopper and Pearson for one.

    Each end is a quantile of a weighted sum, in which each stratum has the distribution of its own
    exact ends: Beta(right, wrong + 1) below, Beta(right + 1, wrong) above. Of a stratum without
    draws anything may be true, and the interval is as much wider.

    Source: Fay, Proschan and Brittain 2015, "Combining one-sample confidence procedures for
    inference in the two-sample case" (Biometrics 71), for a weighted sum in place of a difference.
    The quantiles are drawn, always the same 20,000 times.

    Args:
        strata: at least one, with a text.
    """
    if len(strata) == 1 and strata[0].total:
        return share_interval(strata[0].right, strata[0].total)
    texts = sum(stratum.texts for stratum in strata)
    rng, low, high = np.random.default_rng(0), np.zeros(DRAWN), np.zeros(DRAWN)
    for stratum in strata:
        weight, wrong = stratum.texts / texts, stratum.total - stratum.right
        low += weight * (rng.beta(stratum.right, wrong + 1, DRAWN) if stratum.right else 0.0)
        high += weight * (rng.beta(stratum.right + 1, wrong, DRAWN) if wrong else 1.0)
    tail = (1 - LEVEL) / 2
    return float(np.quantile(low, tail)), float(np.quantile(high, 1 - tail))


def f1_interval(
    hits: Sequence[float], either: Sequence[float], weights: Sequence[float] | None = None
) -> Interval | None:
    """95 % interval of a micro F1, 2 * hits / either, over texts.

    F1 is a ratio of two sums over texts. The interval holds the ratios that a t test does not
    refuse (Fieller 1954), after two texts that are all right and two that are all wrong were added,
    as Agresti and Coull 1998 do for a share: without them it is too short for a few texts.

    Args:
        hits: (n,) labels or spans of each text that are right.
        either: (n,) those that are true plus those that are predicted.
        weights: (n,) how many texts each stands for, with mean 1; all alike without.

    Returns:
        The interval within [0, 1]; ``None`` where hardly any text has something to find.
    """
    from scipy.stats import t

    right, present = np.asarray(hits, dtype=np.float64), np.asarray(either, dtype=np.float64)
    if np.count_nonzero(present) < LEAST:
        return None
    usual = float(present[present > 0].mean())
    if weights is not None:
        right, present = right * weights, present * weights
    x = np.concatenate([2 * right, [usual, usual, 0.0, 0.0]])
    y = np.concatenate([present, np.full(4, usual)])
    limit = float(t.ppf(0.5 + LEVEL / 2, len(x) - 1)) ** 2 / len(x)
    xx, yy, xy = (float(np.cov(x, y)[cell]) for cell in ((0, 0), (1, 1), (0, 1)))
    # Ratios r with (mean x - r mean y)^2 <= limit * var(x - r y): between two roots.
    a = float(y.mean()) ** 2 - limit * yy
    b = float(x.mean() * y.mean()) - limit * xy
    c = float(x.mean()) ** 2 - limit * xx
    if a <= 0:
        return None
    half = math.sqrt(max(b * b - a * c, 0.0))
    return max(0.0, (b - half) / a), min(1.0, (b + half) / a)


def hits(gold: Sequence[Target], predicted: Sequence[Target]) -> tuple[list[int], list[int]]:
    """Of each text with several labels or spans: those that are right, and true plus predicted."""
    pairs = [(set(one), set(other)) for one, other in zip(gold, predicted, strict=True)]
    return [len(a & b) for a, b in pairs], [len(a) + len(b) for a, b in pairs]


def log_slope(sizes: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[float, float]:
    """Logarithm at the last size, and exponent, of the power law ``error ~ size ** -exponent``.

    By least squares on logarithms; the exponent is never negative: labels do no harm.

    Args:
        sizes: (k,) labels, ascending, at least two different ones.
        errors: (k,) shares of wrong texts, above zero.
    """
    x, y = np.log(sizes), np.log(errors)
    centred = x - x.mean()
    exponent = max(0.0, -float(centred @ y) / float(centred @ centred))
    return float(y.mean() - exponent * (x[-1] - x.mean())), exponent
