"""Owns which texts are drawn at random for the audit, and what that keeps from the model; pure.

A share of the pool is set aside before anybody chooses: the first texts of one random order. Draws
come from there in that order, and no strategy may choose what is there, or know of it: one that
spreads its choice would stay away from it. So the draws of any round are a plain random sample of
the pool, whatever the strategy took meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from loopd.annotation.consensus import outside
from loopd.config import Config
from loopd.config.audit import USUAL_SHARE
from loopd.data.pool import Pool
from loopd.learning.seeding import for_step, rng
from loopd.machine import State
from loopd.records import BatchItem, PoolId, Targets

PURPOSE = "audit"


def in_force(config: Config, state: State) -> Config:
    """The configuration with the share of draws that holds for the run.

    What the configuration says comes first, then what the run began with: one that began without
    draws never gets any by an upgrade. A run that has not begun gets draws where it has no test
    set.
    """
    if config.audit.random_share is not None:
        return config
    if state.started is not None:
        return with_share(config, state.started.random_share)
    return with_share(config, USUAL_SHARE if config.test is None else 0.0)


def with_share(config: Config, share: float) -> Config:
    """The configuration with this share of draws."""
    section = config.audit.model_copy(update={"random_share": share})
    return config.model_copy(update={"audit": section})


def set_aside(pool: Pool, share: float, seed: int) -> tuple[PoolId, ...]:
    """The texts that only the audit may draw, in the order in which it does.

    A text that came with an answer is none of them: nobody is asked for it. Where a pool has grown,
    what was set aside before still is.

    Args:
        pool: all texts.
        share: ``audit.random_share``.
        seed: of the run.
    """
    if share == 0:
        return ()
    before, rows = 0, []
    for number, records in enumerate(pool.parts):
        free = [record.id for record in records if not record.answers]
        size = _whole(share * (before + len(free))) - _whole(share * before)
        order = rng(seed, number, PURPOSE).permutation(len(free))[:size]
        # What comes later takes its places among the others: draws stay a sample of all.
        rows += [((rank + 0.5) / len(free), number, free[at]) for rank, at in enumerate(order)]
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
    return undrawn(state, aside)[:due]


def undrawn(state: State, aside: Sequence[PoolId]) -> tuple[BatchItem, ...]:
    """What is left of what was set aside, as draws in their order."""
    taken = state.planned_ids | outside(state)
    return tuple(BatchItem(id_, draw=True) for id_ in aside if id_ not in taken)


def unseen(state: State, aside: Sequence[PoolId]) -> frozenset[PoolId]:
    """What strategies must not know of: what is set aside, and all draws.

    As long as there is an audit; a text that a strategy took before it began is none of them, nor
    is one that people have answered without being asked.
    """
    if not aside:
        return frozenset()
    return (frozenset(aside) - state.planned_ids - outside(state)).union(state.draws)


def mixed(
    selected: Sequence[BatchItem], draws: Sequence[BatchItem], seed: int, number: int
) -> tuple[BatchItem, ...]:
    """Both in one row: the chosen in their order, the draws at random places.

    Args:
        chosen, draws: the records of a batch.
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

    Without an audit they train as others do.
    """
    held = held_out(state, share)
    return {id_: target for id_, target in targets.items() if id_ not in held} if held else targets


def held_out(state: State, share: float) -> frozenset[PoolId]:
    """The draws, as long as there is an audit: no model may learn from them in any way."""
    return frozenset() if share == 0 else frozenset(state.draws)


def _whole(value: float) -> int:
    """The whole part, forgiving what adding floats loses."""
    return math.floor(value + 1e-9)
