"""Owns that of texts that are nearly the same a strategy asks for one (``pool.near_duplicates``).

Random draws are drawn from all texts, or they would not be like the pool. Must not choose a record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from loopd import log
from loopd.config import Config
from loopd.errors import ConfigError
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.learner import Learner
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import BatchItem, PoolId, Targets

ROUNDS = 5
"""So often the strategy is asked again in the place of what it chose twice, at most."""

ChooseBesides = Callable[[int, Collection[PoolId]], BatchChoice]
"""Gives so many records, or fewer where fewer are left, and none of these ids."""


def refuse_without_vectors(config: Config, learner: Learner) -> None:
    """Refuse a classifier that has nothing by which texts could be compared.

    Raises:
        ConfigError: it has no frozen vectors.
    """
    if config.pool.near_duplicates is not None and not learner.represents():
        raise ConfigError(
            f"pool.near_duplicates: classifier `{config.classifier.name}` has no vectors of texts "
            "to compare",
            "leave it out, or use a classifier with an encoder, such as frozen-head",
        )


def asked_once(
    choose: ChooseBesides, state: State, tools: Tools, targets: Targets
) -> Callable[[int], BatchChoice]:
    """What chooses, without texts that are nearly the same as others that were asked, or as another
    of the batch; the strategy is asked again in their place.

    Args:
        choose: asks the strategy.
        state: what the journal says.
        tools: the parts of the loop.
        targets: labels; some may have come with the pool, and nobody was asked.
    """
    least = tools.config.pool.near_duplicates
    if least is None:
        return lambda count: choose(count, ())

    def chosen(count: int) -> BatchChoice:
        asked = state.planned_ids.union(targets) - state.withdrawn
        besides = set(tools.nearness.near(asked, least) - state.withdrawn)
        if besides:
            log.get("loop").info("near_duplicates_left_out", count=len(besides))
        choice = choose(count, besides)
        items = _different(choice.items, tools, least)
        for _ in range(ROUNDS):
            if len(items) == len(choice.items):
                return replace(choice, items=items)
            shown = [item.record_id for item in items]
            besides.update(shown, (item.record_id for item in choice.items))
            besides |= tools.nearness.near_to(shown, least)
            more = choose(count - len(items), besides)
            choice = replace(choice, items=(*items, *more.items))
            items = _different(choice.items, tools, least)
        return replace(choice, items=items)

    return chosen


def _different(items: tuple[BatchItem, ...], tools: Tools, least: float) -> tuple[BatchItem, ...]:
    """Those that are not nearly the same as one before; second opinions are wanted as they are."""
    from loopd.learning.near_duplicates import first_of_each

    nearness = tools.nearness
    new = [item.record_id for item in items if item.copy_id is None]
    kept = frozenset(first_of_each(new, nearness.vectors, least, nearness.tick))
    return tuple(item for item in items if item.copy_id or item.record_id in kept)
