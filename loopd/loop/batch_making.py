"""Owns how the next batch is put together: cold, by a strategy, or with second opinions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loopd.annotation.consensus import discarded, outside
from loopd.annotation.second_opinions import askable, copy_ids
from loopd.config import ACTIVELAB
from loopd.events import BatchPlanned, RunStopped
from loopd.learning.learner import BatchChoice, Model
from loopd.learning.seeding import for_step
from loopd.learning.strategies.reason_words import is_among_new
from loopd.learning.strategies.registry import RANDOM
from loopd.loop.asked_once import asked_once
from loopd.loop.audit_draws import drawn, mixed, placed, undrawn, unseen
from loopd.loop.fresh_share import with_new_texts
from loopd.loop.labelled_test import due, spare
from loopd.loop.queue import lasting
from loopd.loop.random_fallback import with_fallback
from loopd.loop.reasons import explained, ranked_anew
from loopd.loop.round_labels import votes
from loopd.loop.tools import Tools
from loopd.loop.verdict import labels_left
from loopd.machine import State
from loopd.records import Batch, BatchItem, PoolId, Targets, text_of

if TYPE_CHECKING:
    from loopd.learning.second_opinion import Pick

EXHAUSTED = "pool_exhausted"

LEFT_FOR = 4
"""What is left of the pool is enough for so many batches that loopd sizes, at least."""


@dataclass(frozen=True, slots=True)
class SelectionContext:
    """What is known when a batch is chosen.

    Attributes:
        state: what the journal says.
        targets: the labels that the model was trained on, or would be.
        started: when choosing began, on the monotonic clock.
        labels: how many there are, with those of random draws.
    """

    state: State
    targets: Targets
    started: float
    labels: int

    @property
    def number(self) -> int:
        """Of the batch that is chosen."""
        return self.state.round + 1

    @property
    def taken(self) -> frozenset[PoolId]:
        """Records that train nothing: open, discarded, deleted, or drawn at random."""
        return (self.state.planned_ids | outside(self.state)) - set(self.targets)


def cold_batch(
    context: SelectionContext, tools: Tools, size: int, *, at_random: bool = False
) -> BatchPlanned | RunStopped:
    """The next batch as long as no model can be trained; ``at_random`` where it must be quick."""

    def choose(count: int, besides: Collection[PoolId] = ()) -> BatchChoice:
        choice = tools.learner.first_batch(
            count,
            round=context.number,
            targets=context.targets,
            exclude=context.taken.union(besides),
            hidden=hidden,
            at_random=at_random,
        )
        return explained(choice, tools, None, context.targets)

    once = choose if at_random else asked_once(choose, context.state, tools, context.targets)
    hidden = unseen(context.state, tools.hidden(context.state))
    spent = max(context.labels, _spent(context))
    size = max(1, labels_left(tools.config.stopping, spent, size))
    return _planned(context, tools, _with_draws(context, tools, size, once), None)


def chosen_batch(
    context: SelectionContext, tools: Tools, model: Model, size: int, *, cold: bool = False
) -> BatchPlanned | RunStopped:
    """The next batch as the query strategy wants it; the end where nothing is left to ask.

    ``cold``: as the cold start wants it, and of that size; the model only proposes.
    """
    section, state = tools.config.queue, context.state
    if section.watermark is None and state.published and not cold:
        left = len(tools.data.pool) - len(state.planned_ids)
        lasts = lasting(state, state.answers_needed(section.min_submitted), size)
        size = max(size, min(lasts, left // LEFT_FOR))
    size = max(1, labels_left(tools.config.stopping, _spent(context), size))
    hidden = unseen(state, tools.hidden(state))

    def choose(
        count: int, besides: Collection[PoolId], old: Collection[PoolId] = ()
    ) -> BatchChoice:
        is_asked_again = tools.config.strategy.name == ACTIVELAB and not cold
        if is_asked_again and tools.learner.can_choose(context.targets):
            items = _with_second_opinions(context, tools, model, count, besides)
            picked = BatchChoice(items, ACTIVELAB)
            return explained(picked, tools, model, context.targets)
        choice = tools.learner.choose(
            model,
            count,
            round=context.number,
            targets=context.targets,
            exclude=context.taken.union(besides),
            hidden=hidden.union(old),
            cold=cold,
        )
        return explained(choice, tools, model, context.targets)

    taken = {*context.taken, *context.targets, *hidden}
    shared = with_new_texts(choose, state, tools, taken, cold=cold)
    once = asked_once(shared, state, tools, context.targets)
    mixing = with_fallback(once, state, tools, model, taken)
    planned = _planned(context, tools, _with_draws(context, tools, size, mixing), model.id)
    if isinstance(planned, RunStopped) or not section.refresh:
        return planned
    return replace(planned, refreshed=tuple(_refreshed(context, tools, model)))


def _spent(context: SelectionContext) -> int:
    """Labels that there are, and those that open records may still bring."""
    state = context.state
    unanswerable = discarded(state) | state.deleted_texts | state.gone
    return len(context.targets) + len(context.taken - unanswerable)


def _with_draws(
    context: SelectionContext, tools: Tools, size: int, choose: Callable[[int], BatchChoice]
) -> BatchChoice:
    """What is chosen, and among it the random draws that are due, those of a test set first.

    At the end of the pool what is left of those that were set aside, then nothing.

    Args:
        context: the state and what follows from it.
        tools: the parts of the loop.
        size: records of the batch.
        choose: gives so many records, or fewer where fewer are left.
    """
    config, state = tools.config, context.state
    tests = due(state, tools.reserve, config.test_ask, size)
    due_now = drawn(state, tools.aside(state), config.audit.share, size)
    draws = (*tests, *due_now[: size - len(tests)])
    if len(draws) == size:
        return BatchChoice(draws, RANDOM)
    choice = choose(size - len(draws))
    if not choice.items and (rest := _rest(state, tools, tests)):
        return BatchChoice(rest[:size], RANDOM)
    if not draws:
        return choice
    return replace(choice, items=mixed(choice.items, draws, config.run.seed, context.number))


def _rest(state: State, tools: Tools, tests: tuple[BatchItem, ...]) -> tuple[BatchItem, ...]:
    """What is left at the end of the pool: of the test set, of the draws, and what it spared."""
    ids = {item.record_id for item in tests}
    left = (item for item in spare(state, tools.reserve) if item.record_id not in ids)
    return (*tests, *undrawn(state, tools.aside(state)), *left)


def lacks_test_set(state: State, tools: Tools, size: int) -> bool:
    """Whether the next batch is all for the test set that people label, so no model is needed."""
    ask = tools.config.test_ask
    return ask > 0 and len(due(state, tools.reserve, ask, size)) == size


def _refreshed(context: SelectionContext, tools: Tools, model: Model) -> Iterator[Batch]:
    """What is left of earlier batches, least certain first."""
    touched = {text_of(answer.external_id) for answer in context.state.answers.values()}
    left = context.taken - touched - context.state.deleted_texts
    for batch in context.state.batches:
        items = [item for item in batch.items if item.copy_id is None and item.record_id in left]
        if items:
            draws = {position: item for position, item in enumerate(items) if item.draw}
            selected = [item for item in items if not item.draw]
            ranked = sorted(_scored_anew(selected, tools, model), key=_certainty)
            shown = tools.config.queue.suggestions
            kept = ranked if shown else [replace(item, suggestion=None) for item in ranked]
            renewed = placed(kept, tuple(draws.values()), draws)
            yield replace(batch, model_id=model.id, items=renewed)


def _scored_anew(items: list[BatchItem], tools: Tools, model: Model) -> list[BatchItem]:
    """The items with proposal, score and reason of one model: how unsure it is of its proposal."""
    suggested = tools.learner.suggested(model, items)
    scored = [replace(item, score=1.0 - _certainty(item)) for item in suggested]
    return ranked_anew(scored, tools, model)


def _certainty(item: BatchItem) -> float:
    """How sure the model is of its proposal; of several parts, of the least sure one."""
    score = item.suggestion.score if item.suggestion is not None else 1.0
    return min(score, default=1.0) if isinstance(score, tuple) else score


def _planned(
    context: SelectionContext, tools: Tools, choice: BatchChoice, model_id: str | None
) -> BatchPlanned | RunStopped:
    items = choice.items
    if not items:
        return RunStopped(tools.clock.wall(), EXHAUSTED)
    if not tools.config.queue.suggestions:
        items = tuple(replace(item, suggestion=None) for item in items)
    batch = Batch(f"b{context.number:04d}", context.number, choice.strategy, model_id, items)
    seconds = tools.clock.monotonic() - context.started
    fallback, why = choice.fallback, choice.why
    at, fresh = tools.clock.wall(), sum(is_among_new(item.reason) for item in items)
    return BatchPlanned(at, batch, seconds, fallback=fallback, why=why, fresh=fresh)


# -- second opinions -------------------------------------------------------------------------------


def _with_second_opinions(
    context: SelectionContext, tools: Tools, model: Model, size: int, besides: Collection[PoolId]
) -> tuple[BatchItem, ...]:
    """New texts and copies of answered ones, most informative first."""
    picks = _picks(context, tools, model, size, besides)
    pool = tools.data.pool
    copies = copy_ids(context.state, [each.record_id for each in picks if each.again], pool)
    items = [
        BatchItem(pick.record_id, pick.score, copy_id=copies.get(pick.record_id)) for pick in picks
    ]
    # A proposal would anchor the person whose own opinion is wanted.
    proposed = tools.learner.suggested(model, [item for item in items if item.copy_id is None])
    proposals = {item.record_id: item.suggestion for item in proposed}
    return tuple(replace(item, suggestion=proposals.get(item.record_id)) for item in items)


def _picks(
    context: SelectionContext, tools: Tools, model: Model, size: int, besides: Collection[PoolId]
) -> list[Pick]:
    from loopd.learning.second_opinion import Answered, Unanswered, pick

    config, state = tools.config, context.state
    hidden = tools.hidden(state)
    taken = state.planned_ids.union(outside(state), context.targets, hidden, besides)
    free = [id_ for id_ in tools.data.pool.ids if id_ not in taken]
    new = tools.learner.candidates(model, free, size)
    members = range(_members(config.strategy.options))
    out_of_fold = [
        tools.learner.out_of_fold(model.round, context.targets, config.consensus.folds, member)
        for member in members
    ]
    taught = {
        id_: {vote.annotator: str(vote.target) for vote in cast}
        for id_, cast in votes(state, tools).items()
        if id_ in context.targets  # no second opinion on a random draw
    }
    answered = Answered(
        votes=taught,
        labels={id_: str(context.targets[id_]) for id_ in taught},
        askable=askable(state, state.answers_needed(config.queue.min_submitted), config.relabel)
        - frozenset(besides),
        proba=out_of_fold,
    )
    tools.learner.train_members(model.round, context.targets, members[1:])
    others = (tools.learner.fit(model.round, context.targets, member) for member in members[1:])
    models = itertools.chain([model], others)
    unanswered = Unanswered(new, [tools.learner.choosing_proba(member, new) for member in models])
    seed = for_step(config.run.seed, context.number, "second opinions")
    return pick(answered, unanswered, config.task.labels, size=size, seed=seed)


def _members(options: Any) -> int:
    """How many models are asked; the strategy's class has checked the option."""
    return int(options.get("ensemble", 1))
