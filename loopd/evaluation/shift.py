"""Owns whether texts that joined a pool are unlike those before, and what follows; pure.

Two looks are taken after an intake: at the texts themselves, by their frozen vectors, and at how
often the model is right about them, by random draws (``evaluation.drop``). A run has many intakes,
so every look has a part of one budget, and all of them together are to raise a false alarm in at
most 5 % of the runs. Intakes of a few dozen texts of rare kinds exceed their part: means of so few
are not normal. No run takes these looks yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.05
"""The most runs without a shift in which anything is said, whatever their length."""

HALF_LIFE = 14
"""Intakes that spend half of it."""

LEAST = 20
"""So many new texts there must be before they are compared with the others."""

MOST_NEW, MOST_OLD = 1_000, 2_000
"""So many texts of either side are looked at; of more a random part."""

WINDOWS = 2
"""An intake is looked at alone, and together with the one before."""

PARTS = 10
"""Of the cross-fitting."""

AT_ONCE = 0.5
"""The share of a batch that new texts get at least, once they are unlike the others."""

CAUGHT_UP = 50
"""Labels of new texts up to which they get that share, at least."""

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


def level(intake: int) -> float:
    """The probability of a false alarm that one look at one intake may have.

    Half of ``FALSE_ALARMS`` is for vectors and half for the model, and intake number k has
    14 / ((k + 13) (k + 14)) of it. These parts add up to one, so no number of intakes spends more;
    the first fourteen have half of it, the next fourteen a sixth.

    Args:
        intake: its number, from 1.
    """
    return FALSE_ALARMS / 2 * HALF_LIFE / ((intake + HALF_LIFE - 1) * (intake + HALF_LIFE))


# -- the texts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well a classifier tells new texts from those before.

    Attributes:
        auc: probability that it ranks a new text above an old one; 0.5 where they are alike.
        low, high: ends of the 95 % interval of it.
        p: probability of such an ``auc``, or a larger one, if texts came in random order.
        level: the largest ``p`` that is called a shift.
        new, old: texts that were looked at.
        intakes: how many of the last intakes are the new ones.
    """

    auc: float
    low: float
    high: float
    p: float
    level: float
    new: int
    old: int
    intakes: int = 1

    @property
    def is_shift(self) -> bool:
        """Whether the new texts are unlike the others, beyond luck."""
        return self.p <= self.level


def newcomers(rows: Vectors, sizes: Sequence[int], seed: int) -> Likeness | None:
    """Compare the last intake with all texts before, and the last two with those before them.

    What changes slowly, or in few texts, shows in two intakes sooner than in one. Each of the two
    looks has half of the intake's level.

    Args:
        rows: (n, d) frozen vectors of the pool, in its order.
        sizes: texts of each intake, with those with which the run began; they add up to n.
        seed: of the intake.

    Returns:
        The look that chance explains least; ``None`` with too few texts, or before an intake.
    """
    looks = []
    for intakes in range(1, min(WINDOWS, len(sizes) - 1) + 1):
        begin = len(rows) - sum(sizes[-intakes:])
        sides, allowed = (rows[begin:], rows[:begin]), level(len(sizes) - 1) / WINDOWS
        if (look := likeness(*sides, allowed=allowed, seed=seed)) is not None:
            looks.append(replace(look, intakes=intakes))
    return min(looks, key=lambda look: look.p, default=None)


def likeness(new: Vectors, old: Vectors, *, allowed: float, seed: int) -> Likeness | None:
    """Compare new texts with those before by their vectors.

    Whether they are unlike is decided by the distance between the means of both sides (the
    two-sample test of Gretton et al. 2012, "A kernel two-sample test", with a linear kernel). If
    order means nothing, its square is a sum of squared normal variables weighted by the eigenvalues
    of the texts' covariance, which a gamma distribution with its mean, variance and skewness
    follows closely in the upper tail (Imhof 1961).

    How unlike they are is told by a classifier (Lopez-Paz and Oquab 2017), which ranks texts along
    the line between the means: a logistic regression with the strongest regularisation, which does
    best where few texts of many are new. It is cross-fitted on ten parts, so that no text is ranked
    by means that it is in.

    Args:
        new: (n, d) rows of the texts of one or more intakes; any array that rows can be taken from.
        old: (m, d) rows of all texts before.
        allowed: the largest probability that is called a shift.
        seed: of the random parts.

    Returns:
        What was measured; ``None`` with fewer than 20 texts on a side. It takes a second or two
        however many there are.
    """
    if min(len(new), len(old)) < LEAST:
        return None
    rng = np.random.default_rng(seed)
    sides = [_some(new, MOST_NEW, rng), _some(old, MOST_OLD, rng)]
    x, order = np.concatenate(sides), rng.permutation(len(sides[0]) + len(sides[1]))
    x, is_new = x[order] - x.mean(axis=0), order < len(sides[0])
    auc, error = _area(x, is_new)
    return Likeness(
        auc,
        max(0.0, auc - 1.96 * error),
        min(1.0, auc + 1.96 * error),
        _p(x, is_new),
        allowed,
        len(sides[0]),
        len(sides[1]),
    )


def _p(x: NDArray[np.float32], is_new: NDArray[np.bool_]) -> float:
    """Probability of so large a distance between the means, if new texts were any of them.

    Args:
        x: (n, d) centred vectors.
        is_new: (n,) which are new.
    """
    from scipy.stats import pearson3

    new, old = x[is_new], x[~is_new]
    distance = float(((new.mean(axis=0) - old.mean(axis=0)).astype(np.float64) ** 2).sum())
    covariance = (x.T @ x).astype(np.float64) * (1 / len(new) + 1 / len(old)) / (len(x) - 1)
    mean, variance = float(np.trace(covariance)), 2 * float((covariance**2).sum())
    if variance <= 1e-30 or mean <= 1e-15:  # all texts have the same vector
        return 1.0
    third = 8 * float(((covariance @ covariance) * covariance).sum())
    return float(pearson3.sf((distance - mean) / math.sqrt(variance), third / variance**1.5))


def _area(x: NDArray[np.float32], is_new: NDArray[np.bool_]) -> tuple[float, float]:
    """The cross-fitted area under the ROC curve, and its standard error.

    The error is that of DeLong et al. 1988, which takes the parts for independent, times the root
    of 2: what one part's line learns from another, the other's learns from it.

    Args:
        x: (n, d) vectors, in random order.
        is_new: (n,) which are new.
    """
    part, above, below = np.arange(len(x)) % PARTS, [], []
    for number in range(PARTS):
        others, rows = part != number, part == number
        line = x[others & is_new].mean(axis=0) - x[others & ~is_new].mean(axis=0)
        scores = x[rows] @ line
        new, old = scores[is_new[rows]], scores[~is_new[rows]]
        if len(new) and len(old):
            wins = (new[:, None] > old) + 0.5 * (new[:, None] == old)
            above.append(wins.mean(axis=1))
            below.append(wins.mean(axis=0))
    shares = [np.concatenate(of_one_side) for of_one_side in (above, below)]
    variance = sum(float(share.var(ddof=1)) / len(share) for share in shares)
    return float(shares[0].mean()), math.sqrt(2 * variance)


def _some(rows: Vectors, most: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Rows in random order, all or a part; of a large array no others are read."""
    picked = rng.choice(len(rows), min(most, len(rows)), replace=False)
    order = np.argsort(picked)  # a file on disk is read from front to back
    taken = np.empty((len(picked), rows.shape[1]), dtype=np.float32)
    taken[order] = rows[picked[order]]
    return taken


# -- what follows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """Texts of the pool on one side of an intake, and those of them that have a label."""

    texts: int
    labels: int


def fresh_share(new: Side, old: Side, *, alarm: bool) -> float:
    """The share of the next batch that is chosen among new texts (``strategy.fresh_share: auto``).

    Without an alarm there is none: the strategy chooses among all. After one it is half, or their
    share of the pool where that is more, until as large a part of all labels is theirs and they
    have 50.

    Args:
        new: texts since the intake of the alarm.
        old: all before.
        alarm: whether the new ones are unlike the others, or the model is worse on them.
    """
    if not alarm or new.labels >= new.texts:
        return 0.0
    natural = new.texts / (new.texts + old.texts)
    enough = max(CAUGHT_UP, natural * (new.labels + old.labels))
    return 0.0 if new.labels >= enough else max(AT_ONCE, natural)
