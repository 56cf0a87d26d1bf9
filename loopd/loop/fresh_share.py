"""Owns the share of a batch that is chosen among new texts; must not find out whether they need it.

That is a fact of the journal: ``loop.new_texts`` says it after each round.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from loopd.config import ACTIVELAB, Config
from loopd.learning import seeding
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.strategies.reason_words import among_new
from loopd.loop.asked_once import ChooseBesides
from loopd.loop.audit_draws import placed
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import SHARE, SINCE
from loopd.records import PoolId

PURPOSE = "new texts"


class Choose(Protocol):
    """Chooses records of a batch, most informative first; fewer where fewer are left."""

    def __call__(
        self, count: int, besides: Collection[PoolId], old: Collection[PoolId] = ()
    ) -> BatchChoice:
        """Choose so many.

        Args:
            count: how many.
            besides: ids that are not to be chosen.
            old: ids without a label that it must not know of.
        """
        ...


def due(state: State, config: Config) -> tuple[float, int]:
    """The share of what is chosen next that new texts get, and the position where these begin.

    Without an alarm new texts are those of the last intake.
    """
    if not state.intakes or config.strategy.name == ACTIVELAB:
        return 0.0, 0
    told = state.evaluated[max(state.evaluated)].shift if state.evaluated else {}
    since, wanted = number(told, SINCE), config.strategy.fresh_share
    first = state.intakes[-1].first if since is None else int(since)
    if wanted == "off":
        return 0.0, first
    return (number(told, SHARE) or 0.0) if wanted == "auto" else wanted, first


def with_new_texts(
    choose: Choose, state: State, tools: Tools, taken: Collection[PoolId], *, cold: bool
) -> ChooseBesides:
    """What chooses, with the share that new texts get.

    The strategy chooses twice: among the new texts, as if no others were left, and among all.

    Args:
        choose: asks the strategy.
        state: what the journal says.
        tools: the parts of the loop.
        taken: ids that it does not choose anyway.
        cold: whether the cold start chooses, from which new texts get nothing.
    """
    share, first = due(state, tools.config)
    if share == 0 or cold:
        return choose

    def mixed_in(count: int, besides: Collection[PoolId]) -> BatchChoice:
        known = frozenset(taken)
        old = {id_ for id_ in tools.data.pool.ids_at(range(first)) if id_ not in known}
        new = choose(max(1, round(share * count)), besides, old)
        fresh = [replace(item, reason=among_new(item.reason)) for item in new.items]
        if len(fresh) == count:
            return replace(new, items=tuple(fresh))
        ids = {*besides, *(item.record_id for item in fresh)}
        others = choose(count - len(fresh), ids)
        rng = seeding.rng(tools.config.run.seed, state.round + 1, PURPOSE)
        total = len(fresh) + len(others.items)
        items = placed(others.items, fresh, rng.permutation(total)[: len(fresh)].tolist())
        return replace(others, items=items)

    return mixed_in
