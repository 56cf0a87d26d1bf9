"""Owns the opening: a few records that are drawn at random and go out before the pool is encoded.

The first batch proper is chosen while people label these. Pure; must not choose a record.
"""

from __future__ import annotations

from loopd.config import Config
from loopd.learning.strategies.registry import RANDOM
from loopd.machine import State


def opening_size(config: Config) -> int | None:
    """How many records open the run; ``None``: the first batch goes out whole.

    A cold start that draws at random is quick by itself.
    """
    size = config.queue.opening_size
    if size is None or config.strategy.cold_start == RANDOM:
        return None
    return min(size, config.queue.first_size - 1) or None


def is_opening(state: State, config: Config) -> bool:
    """Whether the batch that is out is the opening: it is closed at once, whatever is open."""
    return state.round == 0 and opening_size(config) is not None and state.batch.model_id is None


def cold_size(state: State, config: Config) -> int:
    """Records of the next batch that no model chooses: behind an opening the rest of the first."""
    if not is_opening(state, config):
        return config.queue.batch_size
    return max(1, config.queue.first_size - len(state.batch.items))
