"""Owns which texts are drawn at random for the audit, and what that keeps from the model; pure.

A share of the pool is set aside before anybody chooses: the texts whose number, a hash of seed and
id, is below it. Draws come from there, the smallest number first, and no strategy may choose what
is there, or know of it: one that spreads its choice would stay away from it. So the draws of any
round are a plain random sample of the pool, whatever the strategy took meanwhile; while texts that
came late have fewer of them, each part of the pool has its own (``loop.strata``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from loopd.annotation.consensus import outside
from loopd.data.pool import Pool
from loopd.events import HASHED, SHUFFLED
from loopd.learning.seeding import for_step, hashed, rng
from loopd.loop.labelled_test import unanswered
from loopd.machine import State
from loopd.records import BatchItem, PoolId, Targets

PURPOSE = "audit"


def draw_order(state: State) -> str:
    """How the run draws texts at random: as it began, ``hashed`` where it has not."""
    return HASHED if state.started is None else state.started.draw_order


def set_aside(pool: Pool, share: float, seed: int, order: str = HASHED) -> tuple[PoolId, ...]:
    """The texts that only the audit may draw, in the order in which it does.

    A text that came with an answer is none of them: nobody is asked for it. Where a pool has grown,
    what was set aside before still is.

    Args:
        pool: all texts.
        share: ``audit.random_share``.
        seed: of the run.
        order: what ``draw_order`` gave.
    """
    if share == 0:
        return ()
    if order == SHUFFLED:
        return _shuffled(pool, share, seed)
    numbers = hashed(seed, PURPOSE, pool.ids)
    numbers[list(pool.answered)] = 1.0
    below = np.flatnonzero(numbers < share)
    ordered = below[np.argsort(numbers[below], kind="stable")]
    return tuple(pool.ids_at(ordered.tolist()))


def likely_order(asides: Mapping[str, Sequence[PoolId]], draws: Collection[PoolId]) -> str:
    """How a run draws of which only its draws are there: the order whose first texts they are.

    Args:
        asides: what is set aside in each order; of two that fit alike, the first one.
        draws: those of the run, some perhaps lost.
    """
    count = len(draws)
    return max(asides, key=lambda order: len(set(draws).intersection(asides[order][:count])))


def _shuffled(pool: Pool, share: float, seed: int) -> tuple[PoolId, ...]:
    """The same in runs that began before texts had numbers: the first of a random order."""
    before, rows = 0, []
    for number in range(len(pool.ends)):
        free = unanswered(pool, number)
        size = _whole(share * (before + len(free))) - _whole(share * before)
        order = rng(seed, number, PURPOSE).permutation(len(free))[:size]
        ids = pool.ids_at([free[at] for at in order])
        # What comes later takes its places among the others: draws stay a sample of all.
        rows += [((rank + 0.5) / len(free), number, id_) for rank, id_ in enumerate(ids)]
        before += len(free)
    return tuple(record_id for _, _, record_id in sorted(rows))


def drawn(state: State, aside: Sequence[PoolId], share: float, size: int) -> tuple[BatchItem, ...]:
    """The draws of the next batch: nobody is shown what the model thinks of them.

    Args:
        state: what the journal says.
        aside: what ``set_aside`` gave.
        share: ``audit.random_share``.
        size: records of the batch, draws included.
    """
    if share == 0:
        return ()
    before = sum(len(batch.items) for batch in state.batches)
    due = _whole(share * (before + size)) - _whole(share * before)
    return tuple(islice(_left(state, aside), due))


def undrawn(state: State, aside: Sequence[PoolId]) -> tuple[BatchItem, ...]:
    """What is left of what was set aside, as draws in their order."""
    return tuple(_left(state, aside))


def _left(state: State, aside: Sequence[PoolId]) -> Iterator[BatchItem]:
    taken = state.planned_ids | outside(state)
    return (BatchItem(id_, draw=True) for id_ in aside if id_ not in taken)


def unseen(state: State, aside: Sequence[PoolId]) -> frozenset[PoolId]:
    """What strategies must not know of: what is set aside, and all draws.

    As long as there is an audit, or a test set that people label; a text that a strategy took
    before it began is none of them, nor is one that people have answered without being asked.
    """
    if not aside:
        return frozenset()
    return (frozenset(aside) - state.planned_ids - outside(state)).union(state.draws)


def mixed(
    selected: Sequence[BatchItem], draws: Sequence[BatchItem], seed: int, number: int
) -> tuple[BatchItem, ...]:
    """Both in one row: the chosen in their order, the draws at random places.

    Args:
        selected, draws: the records of a batch.
        seed: of the run.
        number: of the batch.
    """
    total = len(selected) + len(draws)
    order = np.random.default_rng(for_step(seed, number, PURPOSE)).permutation(total)
    return placed(selected, draws, order[: len(draws)].tolist())


def placed(
    selected: Sequence[BatchItem], draws: Sequence[BatchItem], places: Collection[int]
) -> tuple[BatchItem, ...]:
    """Both in one row, the draws at these places."""
    others, random = iter(selected), iter(draws)
    total = len(selected) + len(draws)
    return tuple(next(random if position in places else others) for position in range(total))


def training(targets: Targets, state: State, share: float) -> Targets:
    """What a model may be trained on: all labels but those of the draws.

    Without an audit they train as others do; the test set that people label never does.
    """
    held = held_out(state, share)
    return {id_: target for id_, target in targets.items() if id_ not in held} if held else targets


def held_out(state: State, share: float) -> frozenset[PoolId]:
    """What no model may learn from in any way.

    The draws, as long as there is an audit; and always the test set that people label.
    """
    return state.tests if share == 0 else frozenset(state.draws)


def _whole(value: float) -> int:
    """The whole part, forgiving what adding floats loses."""
    return math.floor(value + 1e-9)
