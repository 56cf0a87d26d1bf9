"""Owns how the next batch is put together: cold, by a strategy, or with second opinions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loopd.annotation.consensus import discarded, outside
from loopd.annotation.second_opinions import askable, copy_ids
from loopd.config import ACTIVELAB
from loopd.events import BatchPlanned, RunStopped
from loopd.learning.learner import BatchChoice, Model
from loopd.learning.seeding import for_step
from loopd.learning.strategies.registry import RANDOM
from loopd.loop.draws import drawn, mixed, placed, unseen
from loopd.loop.label_resolver import votes
from loopd.loop.queue import lasting
from loopd.loop.tools import Tools
from loopd.loop.verdict import labels_left
from loopd.machine import State
from loopd.records import Batch, BatchItem, Targets

if TYPE_CHECKING:
    from loopd.learning.second_opinion import Pick

EXHAUSTED = "pool_exhausted"


@dataclass(frozen=True, slots=True)
class Known:
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
    def taken(self) -> frozenset[str]:
        """Records that train nothing: open, discarded, deleted, or drawn at random."""
        return (self.state.planned_ids | outside(self.state)) - set(self.targets)


def cold_batch(known: Known, tools: Tools, size: int) -> BatchPlanned | RunStopped:
    """The next batch as long as no model can be trained."""

    def choose(count: int) -> BatchChoice:
        return tools.learner.first_batch(
            count,
            round=known.number,
            targets=known.targets,
            exclude=known.taken,
            hidden=hidden,
        )

    hidden = unseen(known.state, tools.aside)
    size = labels_left(tools.config.stopping, known.labels, size)
    return _planned(known, tools, _with_draws(known, tools, size, choose), None)


def chosen_batch(known: Known, tools: Tools, model: Model, size: int) -> BatchPlanned | RunStopped:
    """The next batch as the query strategy wants it; the end where nothing is left to ask."""
    section, state = tools.config.queue, known.state
    if section.watermark is None and state.published:
        size = lasting(state, state.answers_needed(section.min_submitted), size)
    unanswerable = discarded(state) | state.deleted | state.gone
    asked = len(known.targets) + len(known.taken - unanswerable)
    size = max(1, labels_left(tools.config.stopping, asked, size))
    hidden = unseen(state, tools.aside)

    def choose(count: int) -> BatchChoice:
        if tools.config.strategy.name == ACTIVELAB:
            return BatchChoice(_with_second_opinions(known, tools, model, count), ACTIVELAB)
        return tools.learner.choose(
            model,
            count,
            round=known.number,
            targets=known.targets,
            exclude=known.taken,
            hidden=hidden,
        )

    planned = _planned(known, tools, _with_draws(known, tools, size, choose), model.id)
    if isinstance(planned, RunStopped) or not section.refresh:
        return planned
    return replace(planned, refreshed=tuple(_refreshed(known, tools, model)))


def _with_draws(
    known: Known, tools: Tools, size: int, choose: Callable[[int], BatchChoice]
) -> BatchChoice:
    """What is chosen, and among it the random draws that are due; nothing at the end of the pool.

    Args:
        known: what is known.
        tools: the parts of the loop.
        size: records of the batch.
        choose: gives so many records, or fewer where fewer are left.
    """
    config = tools.config
    draws = drawn(known.state, tools.aside, config.audit.random_share, size)
    if len(draws) == size:
        return BatchChoice(draws, RANDOM)
    choice = choose(size - len(draws))
    if not draws or not choice.items:
        return choice
    return replace(choice, items=mixed(choice.items, draws, config.run.seed, known.number))


def _refreshed(known: Known, tools: Tools, model: Model) -> Iterator[Batch]:
    """What is left of earlier batches, least certain first."""
    touched = {answer.record_id for answer in known.state.answers.values()}
    left = known.taken - touched - known.state.deleted
    for batch in known.state.batches:
        items = [item for item in batch.items if item.copy_id is None and item.record_id in left]
        if items:
            draws = {place: item for place, item in enumerate(items) if item.draw}
            chosen = [item for item in items if not item.draw]
            ranked = sorted(tools.learner.suggested(model, chosen), key=_certainty)
            shown = tools.config.queue.suggestions
            kept = ranked if shown else [replace(item, suggestion=None) for item in ranked]
            renewed = placed(kept, tuple(draws.values()), draws)
            yield replace(batch, model_id=model.id, items=renewed)


def _certainty(item: BatchItem) -> float:
    """How sure the model is of its proposal; of several parts, of the least sure one."""
    score = item.suggestion.score if item.suggestion is not None else 1.0
    return min(score, default=1.0) if isinstance(score, tuple) else score


def _planned(
    known: Known, tools: Tools, choice: BatchChoice, model_id: str | None
) -> BatchPlanned | RunStopped:
    items = choice.items
    if not items:
        return RunStopped(tools.clock.wall(), EXHAUSTED)
    if not tools.config.queue.suggestions:
        items = tuple(replace(item, suggestion=None) for item in items)
    batch = Batch(f"b{known.number:04d}", known.number, choice.strategy, model_id, items)
    return BatchPlanned(tools.clock.wall(), batch, tools.clock.monotonic() - known.started)


# -- second opinions -------------------------------------------------------------------------------


def _with_second_opinions(
    known: Known, tools: Tools, model: Model, size: int
) -> tuple[BatchItem, ...]:
    """New texts and copies of answered ones, most informative first."""
    picks = _picks(known, tools, model, size)
    pool = tools.data.pool
    copies = copy_ids(known.state, [each.record_id for each in picks if each.again], pool)
    items = [
        BatchItem(each.record_id, each.score, copy_id=copies.get(each.record_id)) for each in picks
    ]
    # A proposal would anchor the person whose own opinion is wanted.
    proposed = tools.learner.suggested(model, [item for item in items if item.copy_id is None])
    proposals = {item.record_id: item.suggestion for item in proposed}
    return tuple(replace(item, suggestion=proposals.get(item.record_id)) for item in items)


def _picks(known: Known, tools: Tools, model: Model, size: int) -> list[Pick]:
    from loopd.learning.second_opinion import Answered, Unanswered, pick

    config, state = tools.config, known.state
    taken = state.planned_ids.union(outside(state), known.targets, tools.aside)
    free = [record.id for record in tools.data.pool if record.id not in taken]
    new = tools.learner.candidates(model, free, size)
    members = range(_members(config.strategy.options))
    out_of_fold = [
        tools.learner.out_of_fold(model.round, known.targets, config.consensus.folds, member)
        for member in members
    ]
    answered = Answered(
        votes={
            id_: {vote.annotator: str(vote.target) for vote in given}
            for id_, given in votes(state, tools).items()
            if id_ in known.targets  # no second opinion on a random draw
        },
        askable=askable(state, state.answers_needed(config.queue.min_submitted), config.relabel),
        proba=out_of_fold,
    )
    models = (tools.learner.fit(model.round, known.targets, member) for member in members)
    unanswered = Unanswered(new, [tools.learner.predict_pool(each, new) for each in models])
    seed = for_step(config.run.seed, known.number, "second opinions")
    return pick(answered, unanswered, config.task.labels, size=size, seed=seed)


def _members(options: Any) -> int:
    """How many models are asked; the strategy's class has checked the option."""
    return int(options.get("ensemble", 1))
