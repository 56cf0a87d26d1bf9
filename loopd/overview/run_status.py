"""Owns what a run does now and what it waits for, in words; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loopd.annotation.consensus import index_of
from loopd.config import Config
from loopd.loop.labelled_test import labelled_test
from loopd.loop.queue_words import queue_sentence
from loopd.machine import Phase, State
from loopd.operations.pool_size import waits_for_texts
from loopd.overview.people import waiting

END_REASONS: Mapping[str, str] = {
    "label_budget": "the label budget is used up",
    "max_rounds": "the greatest number of rounds is reached",
    "target_accuracy": "the target is reached and stays so",
    "pool_exhausted": "every text of the pool was asked",
}
"""Why a run ends, by the name in the journal; the other names are stopping criteria."""


NO_TEXTS = "Every text of the pool was asked: waits for new ones."


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        phase: of the state machine.
        sentence: what it does or waits for.
        since: when that began, seconds since 1970; ``None`` before the run began.
        usual: seconds that the same step took in the last round, ``None`` where not known.
    """

    phase: str
    sentence: str
    since: float | None
    usual: float | None


def run_status(state: State, config: Config) -> RunStatus:
    """Where the run stands by its journal."""
    if waits_for_texts(state, config):
        return RunStatus(state.phase.value, NO_TEXTS, _since(state), None)
    return RunStatus(
        state.phase.value, _SENTENCES[state.phase](state, config), _since(state), _usual(state)
    )


def end_reason(name: str) -> str:
    """Why a run ended, in words."""
    return END_REASONS.get(name, f"the stopping criterion {name} holds")


def _collecting(state: State, config: Config) -> str:
    size, mark = len(waiting(state, config)), config.queue.watermark
    people = f"Waits for people: {_count(size, 'record is', 'records are')} open."
    people += _test_set(state, config)
    if mark == 0:
        return f"{people} The next batch follows when all are answered."
    if mark is None:
        sized = queue_sentence(state, config)
        return f"{people} The next batch is prepared before they run out. {sized}".rstrip()
    return f"{people} The next batch is prepared when no more than {mark} are open."


def _test_set(state: State, config: Config) -> str:
    """How far people are with the test set, as long as they label it."""
    if not config.test_ask or not any(item.test for item in state.batch.items):
        return ""
    labelled = labelled_test(state)
    return (
        f" They label the test set first: {labelled} of {config.test_ask} texts, drawn at random."
    )


def _publishing(state: State, _config: Config) -> str:
    size = _count(len(state.batch.items), "record", "records")
    return f"Brings batch {state.batch.id} with {size} to Argilla."


def _training(state: State, _config: Config) -> str:
    return f"Trains a model on {_count(index_of(state).labelled, 'label', 'labels')}."


def _ended(state: State, _config: Config) -> str:
    reason = state.stopped.reason if state.stopped is not None else ""
    return f"The run is over: {end_reason(reason)}."


_SENTENCES: Mapping[Phase, Callable[[State, Config], str]] = {
    Phase.NEW: lambda *_: "The run has not begun yet: it waits for Argilla.",
    Phase.SEED: lambda *_: "Chooses the first batch.",
    Phase.PUBLISH: _publishing,
    Phase.COLLECT: _collecting,
    Phase.TRAIN: _training,
    Phase.EVALUATE: lambda *_: "Measures the new model.",
    Phase.DECIDE: lambda *_: "Chooses the next batch.",
    Phase.DONE: _ended,
}


def _since(state: State) -> float | None:
    """When the last event came that led to this phase."""
    now = state.round
    events = {
        Phase.NEW: None,
        Phase.SEED: state.started,
        Phase.PUBLISH: state.planned.get(now),
        Phase.COLLECT: state.published.get(now),
        Phase.TRAIN: state.collected.get(now),
        Phase.EVALUATE: state.trained.get(now),
        Phase.DECIDE: state.evaluated.get(now),
        Phase.DONE: state.stopped,
    }[state.phase]
    return None if events is None else events.at


def _usual(state: State) -> float | None:
    last = max(state.evaluated, default=None)
    if last is None:
        return None
    evaluated, planned = state.evaluated[last], state.planned.get(state.round)
    published = state.published.get(last)  # not before the first batch
    return {
        Phase.PUBLISH: None if published is None else published.seconds,
        Phase.TRAIN: state.trained[last].seconds,
        Phase.EVALUATE: evaluated.scoring_seconds + evaluated.seconds,
        Phase.DECIDE: None if planned is None else planned.seconds,
    }.get(state.phase)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
