"""Owns what a run does and says where choosing does not pay; must not measure whether it does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from loopd.config import Config
from loopd.learning import seeding
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.random_draw import drawn_at_random
from loopd.learning.trainer import Model
from loopd.loop.audit_draws import placed
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log.edge import edge_sentence, is_behind
from loopd.records import BatchItem, PoolId

PURPOSE = "fall-back"

REASON = "drawn at random, because choosing is behind random draws in this run"
"""Why a text of the fall-back is asked."""

LARGE = 100
"""Records from which on a batch is large."""

PLAIN = ("margin", "least_confidence", "entropy")
"""Strategies that look at uncertainty alone: neighbours are as uncertain as each other."""


def grounds(state: State) -> str:
    """Why batches must mix in random draws, as of the last round; empty where they need not."""
    if not state.evaluated:
        return ""
    figures = state.evaluated[max(state.evaluated)].audit
    return edge_sentence(figures) if is_behind(figures) else ""


def with_fallback(
    choose: Callable[[int], BatchChoice],
    state: State,
    tools: Tools,
    model: Model,
    taken: Collection[PoolId],
) -> Callable[[int], BatchChoice]:
    """What chooses, with its share of random texts where choosing is behind; these train.

    Args:
        choose: gives so many records, or fewer where fewer are left.
        state: what the journal says.
        tools: the parts of the loop.
        model: proposes a label for what is drawn too.
        taken: ids that must not be drawn.
    """
    why = grounds(state)
    if not why or tools.config.audit.fallback_share == 0:
        return choose

    def mixed_in(count: int) -> BatchChoice:
        number = state.round + 1
        size = int(tools.config.audit.fallback_share * count)
        choice = choose(count - size)
        rng = seeding.rng(tools.config.run.seed, number, PURPOSE)
        ids = {*taken, *(item.record_id for item in choice.items)}
        drawn = _explained(drawn_at_random(tools.data.pool, size, ids, rng), tools, model)
        total = len(choice.items) + len(drawn)
        items = placed(choice.items, drawn, rng.permutation(total)[: len(drawn)].tolist())
        fallback = tuple(item.record_id for item in drawn)
        return replace(choice, items=items, fallback=fallback, why=why)

    return mixed_in


def _explained(drawn: tuple[BatchItem, ...], tools: Tools, model: Model) -> tuple[BatchItem, ...]:
    """The records with what the model proposes, as those that a strategy chose."""
    return tuple(replace(item, reason=REASON) for item in tools.learner.suggested(model, drawn))


def losing_setup(config: Config) -> str:
    """What about a set-up has lost against random draws elsewhere, and what helps; may be empty."""
    name, size = config.strategy.name, config.queue.batch_size
    if config.classifier.name != "frozen-head" or name not in PLAIN or size < LARGE:
        return ""
    return f"a head on frozen features, {name} and batches of {size} have lost to random draws"
