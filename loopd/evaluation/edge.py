"""Owns the test of how far chosen labels are ahead of as many random ones, or behind; pure.

It may be looked at after every round: the interval holds at all rounds at once. Each draw is judged
once, by heads that learned only from what came before it, so that the differences are the rounds of
a fair game for whoever bets on them.

Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting"
(JRSS B 86); Ramdas, Gruenwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe
anytime-valid inference" (Statistical Science 38); the inequality is Ville's of 1939.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 8, 200
"""Labels of either kind from which a head learns, at least and at most."""

REPEATS = 8
"""Random orders over which a difference is averaged."""

GROWTH = 1.1
"""The heads learn anew once the draws have grown by so much."""

ALPHA = 0.05
"""How likely either end of the interval is ever wrong: 90 % for both."""

BETS = np.linspace(0.1, 0.9, 9)
"""Shares of what may be staked; the fortune is spread over them."""

MEANS = np.arange(-99, 100) / 100
"""Mean differences that are tried; zero is one of them."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Judge(Protocol):
    """A head that is fitted on some rows and tested on others; see ``savings.Head``."""

    def right(self, learned: Rows, tested: Rows) -> NDArray[np.bool_]:
        """Whether each tested row (k,) is classified right after learning from other rows."""
        ...


@dataclass(frozen=True, slots=True)
class BatchRows:
    """What has a label of one batch.

    Attributes:
        selected: rows that a strategy chose.
        draws: rows that were drawn at random.
    """

    selected: Rows
    draws: Rows


@dataclass(frozen=True, slots=True)
class Edge:
    """Accuracy with chosen labels minus accuracy with as many random ones.

    Attributes:
        draws: on which it was measured.
        mean: over them, in [-1, 1].
        low, high: 90 % confidence sequence. ``high`` below zero means behind, ``low`` above zero
            ahead; either is ever said wrongly in at most one run of twenty.
    """

    draws: int
    mean: float
    low: float
    high: float


def edge(judge: Judge, batches: Sequence[BatchRows], seed: int) -> Edge | None:
    """How far choosing is ahead, by all labels so far; ``None`` before any draw can be judged.

    Args:
        judge: fits the heads.
        batches: of the run, oldest first; the chosen labels of a batch have no order.
        seed: of the orders; the same in every round.
    """
    told = differences(judge, batches, seed)
    if not len(told):
        return None
    low, high = interval(told)
    return Edge(len(told), float(told.mean()), low, high)


def differences(judge: Judge, batches: Sequence[BatchRows], seed: int) -> Floats:
    """How much more often chosen labels get each draw right, in [-1, 1], in the order of draws.

    What batches that come later hold changes none of them. Draws of the first batches, before which
    there was too little to learn from, are left out.
    """
    return np.concatenate([np.empty(0), *_differences(judge, batches, seed)])


def interval(numbers: Floats) -> tuple[float, float]:
    """90 % confidence sequence of the mean of (n,) numbers in [-1, 1], in steps of 0.01.

    It holds at every n at once, for numbers in the order in which they came whose mean is the same
    given those before. Where that moves, ``low`` above zero means that it once was above zero.
    """
    return _low(numbers), -_low(-numbers)


def _low(numbers: Floats) -> float:
    """The largest mean that is refused: a bet on more has made twenty times what it began with."""
    stakes = BETS[:, None] / (1 + MEANS)
    logs = np.zeros(stakes.shape)
    for value in numbers:
        logs += np.log1p(stakes * (value - MEANS))
    fortunes = np.logaddexp.reduce(logs, axis=0) - math.log(len(BETS))
    refused = MEANS[fortunes >= -math.log(ALPHA)]
    return float(refused.max(initial=-1.0))


def _differences(judge: Judge, batches: Sequence[BatchRows], seed: int) -> Iterator[Floats]:
    for start, end in _blocks(batches):
        before, tested = batches[:start], _joined(b.draws for b in batches[start:end])
        draws = _joined(batch.draws for batch in before)
        size = min(len(draws), sum(len(batch.selected) for batch in before), MOST)
        if size < LEAST or not len(tested):
            continue
        rng = np.random.default_rng([seed, start])
        total = np.zeros(len(tested))
        for _ in range(REPEATS):
            shuffled = _joined(rng.permutation(batch.selected) for batch in before)
            total += judge.right(shuffled[:size], tested)
            total -= judge.right(rng.permutation(draws)[:size], tested)
        yield total / REPEATS


def _joined(parts: Iterable[Rows]) -> Rows:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def _blocks(batches: Sequence[BatchRows]) -> Iterator[tuple[int, int]]:
    """Batches (from, to) whose draws are judged by the same heads: those that learned before."""
    start = learned = drawn = 0
    for number, batch in enumerate(batches):
        if drawn >= GROWTH * learned and number > start:
            yield start, number
            start, learned = number, drawn
        drawn += len(batch.draws)
    if batches:
        yield start, len(batches)
