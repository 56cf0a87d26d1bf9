"""Owns the opening: a few records that are drawn at random and go out before the pool is encoded.

The first batch proper is chosen while people label these. Pure; must not choose a record.
"""

from __future__ import annotations

from loopd.config import Config
from loopd.events import BEFORE, OPENING
from loopd.learning.strategies.registry import RANDOM
from loopd.machine import State

SMALL = 200
"""Fewer texts are encoded in no time: the first batch goes out whole."""


def opening_size(config: Config, pool_size: int) -> int | None:
    """How many records open the run; ``None``: the first batch goes out whole.

    A cold start that draws at random is quick by itself.
    """
    size = config.queue.opening_size
    if size is None or config.strategy.cold_start == RANDOM or pool_size < SMALL:
        return None
    return min(size, _first_size(config) - 1) or None


def is_opening(state: State, config: Config, pool_size: int) -> bool:
    """Whether the batch that is out is the opening: it is closed at once, whatever is open."""
    size = opening_size(config, pool_size)
    is_first = state.round == 0 and state.batch.model_id is None
    return size is not None and is_first and len(state.batch.items) <= size


def was_opening(state: State) -> bool:
    """Whether the batch that was closed last is the opening: the rest of the first comes next."""
    closed = state.collected.get(state.round)
    return closed is not None and closed.reason == OPENING


def begins(state: State) -> bool:
    """Whether the next batch is the first, or the rest of it: the cold start chooses that."""
    return state.round == BEFORE or was_opening(state)


def cold_size(state: State, config: Config, pool_size: int) -> int:
    """Records of the next batch that no model chooses: behind an opening the rest of the first."""
    if state.round == BEFORE:
        return config.queue.first_size
    if not is_opening(state, config, pool_size):
        return config.queue.batch_size
    return max(1, _first_size(config) - len(state.batch.items))


def _first_size(config: Config) -> int:
    budget = config.stopping.label_budget
    return min(config.queue.first_size, config.queue.first_size if budget is None else budget)
