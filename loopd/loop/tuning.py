"""Owns from which earlier model a round takes its encoder; what it says follows from the journal.

Must not look at caches: a run that was killed, or whose cache is gone, decides as it did before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loopd.events import Event, ModelTrained, TextsWithdrawn
from loopd.learning.takeover import Tuned
from loopd.loop.audit_draws import training
from loopd.loop.classifier_in_use import classifier_of
from loopd.loop.round_labels import LabelResolver
from loopd.loop.tools import Tools
from loopd.machine import State, fold
from loopd.records import Targets
from loopd.storage.journal import events_at
from loopd.storage.run_folder import JOURNAL_NAME


def encoder_round(state: State, tools: Tools, labels: int) -> int | None:
    """The round whose encoder a model on so many labels takes over; ``None``: it has its own.

    It is that of the last model that fine-tuned, if labels grew too little since then and the
    configuration is still the same.
    """
    name = classifier_of(state, tools)
    tuned = [
        number
        for number, trained in state.trained.items()
        if trained.encoder_round is None and trained.classifier == name
    ]
    if not tuned:
        return None
    last = max(tuned)
    evaluated, trained = state.evaluated.get(last), state.trained[last]
    if evaluated is None or evaluated.config_digest != state.config_digest:
        return None
    before = trained.labels - trained.held_out
    return last if tools.learner.takes_over(labels, before) else None


def tuned_in(state: State, tools: Tools, number: int | None) -> Tuned | None:
    """The model of a round, for a later one to take its encoder; ``None`` for no round."""
    if number is None:
        return None

    def targets() -> Targets:
        return labels_at(list(events_at(tools.config.run.dir / JOURNAL_NAME)), number, tools)

    return Tuned(state.trained[number].model_id, number, targets)


def encoder_of(state: State, tools: Tools) -> Tuned | None:
    """The model whose encoder the round's own model has; ``None``: it fine-tuned, or is not yet."""
    trained = state.trained.get(state.round)
    return None if trained is None else tuned_in(state, tools, trained.encoder_round)


def labels_at(events: Sequence[Event], number: int, tools: Tools) -> Targets:
    """What the model of a round was trained on; the last one, where it was trained again.

    Args:
        events: of the journal.
        number: of the round.
        tools: the parts of the loop.
    """
    trainings = (index for index, event in enumerate(events) if _trains(event, number))
    before = known_at(events, max(trainings))
    targets = LabelResolver().consensus(before, tools).targets
    return training(targets, before, tools.config.audit.share)


def known_at(events: Sequence[Event], index: int) -> State:
    """What was known before an event, but for texts that were withdrawn since."""
    later = (event for event in events[index:] if isinstance(event, TextsWithdrawn))
    return fold([*events[:index], *later])


def in_use(state: State, count: int) -> list[str]:
    """Ids of the latest models, and of those whose encoders they have."""
    latest = [state.trained[number] for number in sorted(state.trained)[-count:]]
    rounds = {trained.encoder_round for trained in latest if trained.encoder_round is not None}
    return [*(trained.model_id for trained in _of(state, rounds)), *(t.model_id for t in latest)]


def _of(state: State, rounds: Iterable[int]) -> list[ModelTrained]:
    return [state.trained[number] for number in sorted(rounds)]


def _trains(event: Event, number: int) -> bool:
    return isinstance(event, ModelTrained) and event.round == number
