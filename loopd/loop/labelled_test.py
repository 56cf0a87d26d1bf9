"""Owns the test set that people label (``test.ask``): which texts it is, and which are next; pure.

Its texts are the first of a random order of the pool, fixed by the run's seed before anything is
chosen. They go out through the ordinary queue before anything else, and what people discard is
replaced by the next of the order. No strategy may choose them and no model may learn from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopd.annotation.consensus import NOTHING, discarded, index_of, outside
from loopd.data.pool import Pool
from loopd.errors import ConfigError
from loopd.learning.seeding import rng
from loopd.machine import State
from loopd.records import BatchItem, PoolId

PURPOSE = "test set"

FINGERPRINT = "labelled by people"
"""Of a test set that has no file, in ``RunStarted``."""

SPARE = 4
"""One text in so many is kept ready besides, for those that people discard."""

LEAST_SPARE = 10


def reserved(pool: Pool, ask: int, seed: int) -> tuple[PoolId, ...]:
    """The texts that only the test set may take, in the order in which it does.

    A text that came with an answer is none of them, nor is one that joined the pool later.

    Args:
        pool: all texts.
        ask: ``test.ask``; 0: none.
        seed: of the run.

    Raises:
        ConfigError: less than half of the texts would be left to train on.
    """
    if not ask:
        return ()
    free = unanswered(pool, 0)
    if 2 * ask > len(free):
        raise ConfigError(
            f"test.ask: {ask} of {len(free):,} texts that have no answer leaves too few to train "
            "on",
            f"ask for no more than {len(free) // 2}, or add texts",
        )
    size = min(ask + max(LEAST_SPARE, ask // SPARE), len(free) // 2)
    order = rng(seed, 0, PURPOSE).permutation(len(free))[: max(ask, size)]
    return tuple(pool.ids_at([free[index] for index in order]))


def unanswered(pool: Pool, number: int) -> Sequence[int]:
    """Positions of an intake's texts that came without an answer."""
    end = pool.ends[number]
    is_free = np.ones(end, dtype=bool)
    is_free[: pool.ends[number - 1] if number else 0] = False
    is_free[[position for position in pool.answered if position < end]] = False
    return np.flatnonzero(is_free).tolist()


def due(state: State, reserve: Sequence[PoolId], ask: int, size: int) -> tuple[BatchItem, ...]:
    """What the test set still lacks of the next batch: nobody is shown what a model thinks of it.

    Args:
        state: what the journal says.
        reserve: what ``reserved`` gave.
        ask: ``test.ask``.
        size: records of the batch.
    """
    lacking = max(0, ask - len(usable(state)))
    return tuple(BatchItem(id_, draw=True, test=True) for id_ in _free(state, reserve)[:lacking])[
        :size
    ]


def usable(state: State) -> frozenset[PoolId]:
    """The test set: texts that are labelled, or may still be."""
    return state.tests - discarded(state) - state.deleted_texts - state.gone


def labelled_test(state: State) -> int:
    """Texts of the test set that have a label."""
    index = index_of(state)
    return sum(index.records.get(id_, NOTHING).labelled for id_ in state.tests)


def spare(state: State, reserve: Sequence[PoolId]) -> tuple[BatchItem, ...]:
    """What was kept ready and is not needed, as ordinary records: for the end of the pool."""
    return tuple(BatchItem(id_) for id_ in _free(state, reserve))


def _free(state: State, reserve: Sequence[PoolId]) -> list[PoolId]:
    if not reserve:
        return []
    taken = state.planned_ids | outside(state) | state.gone
    return [id_ for id_ in reserve if id_ not in taken]
