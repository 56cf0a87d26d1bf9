"""Owns how the next batch is put together: cold, by a strategy, or with second opinions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loopd.annotation.consensus import discarded
from loopd.annotation.second_opinions import askable, copy_ids
from loopd.config import ACTIVELAB
from loopd.learning.learner import Choice, Model
from loopd.learning.seeding import for_step
from loopd.loop.election import votes
from loopd.loop.queue import lasting
from loopd.loop.tools import Tools
from loopd.loop.verdict import labels_left
from loopd.machine import BatchPlanned, RunStopped, State
from loopd.records import Batch, BatchItem, Targets

if TYPE_CHECKING:
    from loopd.learning.second_opinion import Pick

EXHAUSTED = "pool_exhausted"

APART = 1_000_000
"""Between the round numbers of the models of an ensemble, which differ in their seeds alone."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a batch is chosen.

    Attributes:
        state: what the journal says.
        targets: the labels that the model was trained on, or would be.
        started: when choosing began, on the monotonic clock.
    """

    state: State
    targets: Targets
    started: float

    @property
    def number(self) -> int:
        """Of the batch that is chosen."""
        return self.state.round + 1

    @property
    def taken(self) -> frozenset[str]:
        """Records that were published and have no label: open, discarded or deleted."""
        return self.state.planned_ids - set(self.targets)


def cold_batch(known: Known, tools: Tools, size: int) -> BatchPlanned | RunStopped:
    """The next batch as long as no model can be trained."""
    choice = tools.learner.first_batch(
        labels_left(tools.config.stopping, len(known.targets), size),
        round=known.number,
        targets=known.targets,
        exclude=known.taken,
    )
    return _planned(known, tools, choice, None)


def chosen_batch(known: Known, tools: Tools, model: Model, size: int) -> BatchPlanned | RunStopped:
    """The next batch as the query strategy wants it; the end where nothing is left to ask."""
    section, state = tools.config.queue, known.state
    if section.low_watermark == "auto" and state.published:
        size = lasting(state, section.min_submitted, size)
    asked = len(known.targets) + len(known.taken - discarded(state) - state.deleted)
    size = max(1, labels_left(tools.config.stopping, asked, size))
    if tools.config.strategy.name == ACTIVELAB:
        choice = Choice(_with_second_opinions(known, tools, model, size), ACTIVELAB)
    else:
        choice = tools.learner.choose(
            model, size, round=known.number, targets=known.targets, exclude=known.taken
        )
    planned = _planned(known, tools, choice, model.id)
    if isinstance(planned, RunStopped) or not section.refresh:
        return planned
    return replace(planned, refreshed=tuple(_refreshed(known, tools, model)))


def _refreshed(known: Known, tools: Tools, model: Model) -> Iterator[Batch]:
    """What is left of earlier batches, least certain first."""
    touched = {answer.record_id for answer in known.state.answers.values()}
    left = known.taken - touched - known.state.deleted
    for batch in known.state.batches:
        items = [item for item in batch.items if item.copy_id is None and item.record_id in left]
        if items:
            ranked = sorted(tools.learner.suggested(model, items), key=_certainty)
            shown = tools.config.queue.suggestions
            kept = ranked if shown else [replace(item, suggestion=None) for item in ranked]
            yield replace(batch, model_id=model.id, items=tuple(kept))


def _certainty(item: BatchItem) -> float:
    """How sure the model is of its proposal; of several parts, of the least sure one."""
    score = item.suggestion.score if item.suggestion is not None else 1.0
    return min(score, default=1.0) if isinstance(score, tuple) else score


def _planned(
    known: Known, tools: Tools, choice: Choice, model_id: str | None
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
    taken = state.planned_ids | set(known.targets)
    free = [record.id for record in tools.data.pool if record.id not in taken]
    new = tools.learner.candidates(model, free, size)
    rounds = [model.round + APART * member for member in range(_members(config.strategy.options))]
    out_of_fold = [
        tools.learner.out_of_fold(round_, known.targets, config.consensus.folds)
        for round_ in rounds
    ]
    answered = Answered(
        votes={
            id_: {vote.annotator: str(vote.target) for vote in given}
            for id_, given in votes(state, tools).items()
        },
        askable=askable(state, config.queue.min_submitted, config.relabel),
        proba=out_of_fold,
    )
    unanswered = Unanswered(new, [_predicted(known, tools, round_, new) for round_ in rounds])
    seed = for_step(config.run.seed, known.number, "second opinions")
    return pick(answered, unanswered, config.task.labels, size=size, seed=seed)


def _predicted(known: Known, tools: Tools, round_: int, ids: Sequence[str]) -> Any:
    return tools.learner.predict_pool(tools.learner.fit(round_, known.targets), ids)


def _members(options: Any) -> int:
    """How many models are asked; the strategy's class has checked the option."""
    return int(options.get("ensemble", 1))
