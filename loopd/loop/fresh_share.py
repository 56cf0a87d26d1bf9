"""Owns the share of a batch that is chosen among new texts; must not find out whether they need it.

That is a fact of the journal: ``loop.new_texts`` says it after each round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from loopd.config import ACTIVELAB, Config
from loopd.learning import seeding
from loopd.learning.batch_choice import BatchChoice, Choose
from loopd.learning.strategies.reason_words import among_new
from loopd.loop.audit_draws import placed
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import SHARE, SINCE
from loopd.records import PoolId

PURPOSE = "new texts"


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
    choose: Choose, state: State, tools: Tools, taken: Collection[PoolId]
) -> Callable[[int], BatchChoice]:
    """What chooses, with the share that new texts get.

    The strategy chooses twice: among the new texts, as if no others were left, and among all.

    Args:
        choose: asks the strategy.
        state: what the journal says.
        tools: the parts of the loop.
        taken: ids that it does not choose anyway.
    """
    share, first = due(state, tools.config)
    if share == 0:
        return choose

    def mixed_in(count: int) -> BatchChoice:
        known = frozenset(taken)
        old = {id_ for id_ in tools.data.pool.ids_at(range(first)) if id_ not in known}
        new = choose(max(1, round(share * count)), (), old)
        fresh = [replace(item, reason=among_new(item.reason)) for item in new.items]
        if len(fresh) == count:
            return replace(new, items=tuple(fresh), fresh=count)
        others = choose(count - len(fresh), [item.record_id for item in fresh])
        if not fresh:
            return others
        rng = seeding.rng(tools.config.run.seed, state.round + 1, PURPOSE)
        total = len(fresh) + len(others.items)
        items = placed(others.items, fresh, rng.permutation(total)[: len(fresh)].tolist())
        return replace(others, items=items, fresh=len(fresh))

    return mixed_in
