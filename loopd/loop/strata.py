"""Owns for which texts of a pool that has grown its random draws stand; pure.

Texts that come late have draws to catch up: those with the smallest numbers come first. Until then
the draws are no plain sample of the whole pool, but they are one of each stratum: of intakes whose
draws have come equally far. Must not know what the draws say.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loopd.annotation.consensus import outside
from loopd.data.pool import Pool
from loopd.machine import State
from loopd.records import PoolId


@dataclass(frozen=True, slots=True)
class Stratum:
    """Intakes of the pool of whose texts the same part was drawn.

    Attributes:
        texts: how many there are for which the draws stand.
        draws: pool ids of those drawn, a plain random sample of them.
        drawn: rank of the last draw among all that was set aside, -1 for none.
        waiting: rank of the first that was not drawn.
    """

    texts: int
    draws: frozenset[PoolId]
    drawn: int
    waiting: int

    def joined(self, other: Stratum) -> Stratum:
        """Both as one."""
        return Stratum(
            self.texts + other.texts,
            self.draws | other.draws,
            max(self.drawn, other.drawn),
            min(self.waiting, other.waiting),
        )

    @property
    def is_even(self) -> bool:
        """Whether nothing waits whose turn was before that of a draw."""
        return self.drawn < self.waiting


def strata(state: State, pool: Pool, aside: Sequence[PoolId]) -> tuple[Stratum, ...]:
    """The strata of the pool, oldest first; one where all texts came at once.

    Args:
        state: what the journal says.
        pool: all texts.
        aside: what ``draws.set_aside`` gave.
    """
    if len(pool.ends) == 1:
        return (Stratum(len(pool), frozenset(state.draws), 0, len(aside)),)
    joined: list[Stratum] = []
    for stratum in _by_intake(state, pool, aside):
        if joined and (both := joined[-1].joined(stratum)).is_even:
            joined[-1] = both
        else:
            joined.append(stratum)
    return tuple(joined)


def _by_intake(state: State, pool: Pool, aside: Sequence[PoolId]) -> Iterator[Stratum]:
    """Each intake by itself.

    A draw without a rank was set aside under a larger share, or for the test set that people label:
    no intake that came later has had that share, so it counts as the very last.
    """
    ends, nobody = pool.ends, outside(state)
    draws: list[list[PoolId]] = [[] for _ in ends]
    drawn, waiting = [-1] * len(ends), [len(aside)] * len(ends)
    rank_by_id = {id_: rank for rank, id_ in enumerate(aside)}
    for id_ in state.draws:
        number = bisect(ends, pool.positions[id_])
        draws[number].append(id_)
        drawn[number] = max(drawn[number], rank_by_id.get(id_, len(aside)))
    ranks = [
        rank for rank, id_ in enumerate(aside) if id_ not in state.planned_ids and id_ not in nobody
    ]
    for rank, position in zip(ranks, pool.find(aside[rank] for rank in ranks), strict=True):
        number = bisect(ends, position)
        waiting[number] = min(waiting[number], rank)
    without = Counter(bisect(ends, at) for at in {*pool.answered, *pool.find(nobody)} if at >= 0)
    for number, (begin, end) in enumerate(pairwise((0, *ends))):
        texts = end - begin - without[number]
        yield Stratum(texts, frozenset(draws[number]), drawn[number], waiting[number])
