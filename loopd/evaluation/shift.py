"""Owns whether texts that joined a pool are unlike those before, and what follows; pure.

Two looks are taken after an intake: at the texts themselves, by their frozen vectors, and at how
often the model is right about them, by random draws (``evaluation.drop``). A run has many intakes,
so every look has a part of one budget, and all of them together raise a false alarm in at most 5 %
of the runs in which texts come in random order. A day that has more of some kind of texts than
others is a shift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

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
"""Looks at an intake: at it alone, and together with the one before."""

MOST_ORDERS = 50_000
"""Random orders that a look compares with, at most; a smaller probability than one in so many
cannot be told."""

PER_LEVEL = 5
"""An order as unlike as the real one may come so often before a look is given up; and so many are
expected among all orders where the probability is the level itself."""

AT_A_TIME = 256
"""Orders that are drawn at a time; 12 MB of numbers."""

DIRECTIONS = 256
"""The directions of largest variance that are compared."""

PARTS = 10
"""Of the cross-fitting."""

AT_ONCE = 0.5
"""The share of a batch that new texts get at least, once they are unlike the others."""

CAUGHT_UP = 50
"""Labels of new texts up to which they get that share, at least."""

Floats = NDArray[np.float64]


class VectorRows(Protocol):
    """Vectors (n, d) of which parts can be taken; they may lie on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        ...

    def __len__(self) -> int:
        """n."""
        ...

    def __getitem__(self, rows: Any, /) -> Any:  # numpy's own answer depends on the argument
        """Of a slice the same kind again; of positions (k,) an array (k, d)."""
        ...


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


def newcomers(rows: VectorRows, sizes: Sequence[int], seed: int) -> Likeness | None:
    """Compare the last intake with all texts before, and the last two with those before them.

    What changes slowly, or in few texts, shows in two intakes sooner than in one. Each of the two
    looks has half of the intake's level. Intakes of fewer than 20 texts are put together with the
    next ones, and count as one.

    After 80 intakes the level is smaller than what random orders can tell. From then on both
    intakes must be unlike the others: the probabilities of the last and of the one before are
    multiplied. Without a shift they are independent, as the first says nothing of the order of the
    texts before, and the second depends on nothing else (Fisher 1932 for the product's own
    probability).

    Args:
        rows: (n, d) frozen vectors of the pool, in its order.
        sizes: texts of each intake, with those with which the run began; they add up to n.
        seed: of the intake.

    Returns:
        The look that chance explains least; ``None`` as long as there are too few texts.
    """
    ends = _ends(sizes)
    number = len(ends) - 1
    if number < 1 or ends[-1] != len(sizes):
        return None
    borders = [sum(sizes[:end]) for end in ends]

    def look(before: int, until: int, allowed: float) -> Likeness:
        """At the texts between two places in ``borders``."""
        new, old = rows[borders[before] : borders[until]], rows[: borders[before]]
        found = _compared(new, old, allowed, np.random.default_rng([seed, before]))
        return replace(found, intakes=ends[until] - ends[before])

    allowed = level(number) / WINDOWS
    alone = look(number - 1, number, allowed)
    if number == 1:
        return alone
    if allowed * MOST_ORDERS >= 1:
        return min(alone, look(number - 2, number, allowed), key=lambda look: look.p)
    product = alone.p * look(number - 2, number - 1, allowed).p
    return replace(alone, p=product * (1 - math.log(product)), level=level(number))


def _ends(sizes: Sequence[int]) -> list[int]:
    """Numbers of intakes after which 20 texts or more have come since the number before."""
    ends, texts = [], 0
    for intakes, size in enumerate(sizes, start=1):
        texts += size
        if texts >= LEAST:
            ends.append(intakes)
            texts = 0
    return ends


def likeness(new: VectorRows, old: VectorRows, *, allowed: float, seed: int) -> Likeness | None:
    """Compare new texts with those before by their vectors.

    Whether they are unlike is decided by the distance between the means of both sides (the
    two-sample test of Gretton et al. 2012, "A kernel two-sample test", with a linear kernel). Each
    principal direction is divided by the root of its standard deviation, halfway to Hotelling's
    test, as kinds of texts differ in small directions too.

    That distance is compared with those of random orders of the same texts (``_p``), so the level
    holds whatever the texts are. A distribution for the means would not do: of a rare kind a small
    intake has none or one text, and three or four more often than normal means allow.

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
        What was measured; ``None`` with fewer than 20 texts on a side. However many there are, it
        takes a fraction of a second where they are alike and a few seconds where they are not.
    """
    if min(len(new), len(old)) < LEAST:
        return None
    return _compared(new, old, allowed, np.random.default_rng(seed))


def _compared(
    new: VectorRows, old: VectorRows, allowed: float, rng: np.random.Generator
) -> Likeness:
    sides = [_some(new, MOST_NEW, rng), _some(old, MOST_OLD, rng)]
    x, order = np.concatenate(sides), rng.permutation(len(sides[0]) + len(sides[1]))
    x, is_new = _weighted(x[order]), order < len(sides[0])
    auc, error = _area(x, is_new)
    return Likeness(
        auc,
        max(0.0, auc - 1.96 * error),
        min(1.0, auc + 1.96 * error),
        _p(x, is_new, allowed, rng),
        allowed,
        len(sides[0]),
        len(sides[1]),
    )


def _weighted(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centred vectors along their principal directions, each over the root of its deviation.

    Args:
        x: (n, d) vectors of both sides; which is which has no part in it.

    Returns:
        (n, min(d, 256)) vectors.
    """
    x = x - x.mean(axis=0)
    variances, directions = np.linalg.eigh((x.T @ x).astype(np.float64) / len(x))
    least = max(1e-3 * float(variances.mean()), 1e-12)  # what is left of vectors that are alike
    kept = slice(None, -DIRECTIONS - 1, -1)
    weights = np.maximum(variances[kept], least) ** -0.25
    weighted: NDArray[np.float32] = x @ (directions[:, kept] * weights).astype(np.float32)
    return weighted


def _p(
    x: NDArray[np.float32], is_new: NDArray[np.bool_], allowed: float, rng: np.random.Generator
) -> float:
    """Probability of so large a distance between the means, if new texts were any of them.

    The real order is compared with random ones until five of these are as unlike (Besag and
    Clifford 1991, "Sequential Monte Carlo p-values"): if all orders are as likely, the probability
    that the result is at most some value is at most that value, for any texts and any number of
    them.

    Args:
        x: (n, d) centred vectors.
        is_new: (n,) which are new.
        allowed: the probability that is to be told from larger ones.
        rng: draws the orders.
    """
    few = min(is_new.sum(), (~is_new).sum())  # the vectors add up to 0: either side tells
    side = x[is_new] if len(x[is_new]) == few else x[~is_new]
    real = float((side.sum(axis=0) ** 2).sum()) * (1 - 1e-4) - 1e-9  # what is alike is as unlike
    most, drawn, beyond = min(MOST_ORDERS, math.ceil(PER_LEVEL / allowed)), 0, 0
    while drawn < most:
        count = min(AT_A_TIME, most - drawn)
        first = rng.random((count, len(x)), dtype=np.float32).argpartition(few, axis=1)[:, :few]
        is_first = np.zeros((count, len(x)), dtype=np.float32)
        np.put_along_axis(is_first, first, 1, axis=1)
        as_unlike = np.flatnonzero(((is_first @ x) ** 2).sum(axis=1) >= real)
        if beyond + len(as_unlike) >= PER_LEVEL:
            return PER_LEVEL / (drawn + int(as_unlike[PER_LEVEL - beyond - 1]) + 1)
        drawn, beyond = drawn + count, beyond + len(as_unlike)
    return (beyond + 1) / (drawn + 1)


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


def _some(rows: VectorRows, most: int, rng: np.random.Generator) -> NDArray[np.float32]:
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
