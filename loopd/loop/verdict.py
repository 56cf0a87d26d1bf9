"""Owns whether the loop ends: budgets, targets and criteria with patience; pure."""

from __future__ import annotations

from loopd.config import StoppingSection
from loopd.events import RoundEvaluated
from loopd.machine import State
from loopd.metrics_log.measured import Measured, measured_in
from loopd.records import JsonValue

LIMITS = ("label_budget", "max_rounds")
"""Rules that end the loop at once; the others must hold for the patience."""

Verdicts = dict[str, dict[str, JsonValue]]


def rules(
    section: StoppingSection, *, labels: int, rounds: int, accuracy: Measured | None = None
) -> Verdicts:
    """Value and verdict of each configured rule that needs no small-text.

    Args:
        section: the configuration.
        labels: records with a label.
        rounds: in which a model was measured, as ``State.rounds_measured`` counts them.
        accuracy: of the round, ``None`` while it is unknown. One on a few texts that are no test
            set is shown and meets no target.
    """
    verdicts: Verdicts = {}
    if section.label_budget is not None:
        verdicts["label_budget"] = {"value": labels, "stop": labels >= section.label_budget}
    if section.max_rounds is not None:
        verdicts["max_rounds"] = {"value": rounds, "stop": rounds >= section.max_rounds}
    if section.target_accuracy is not None and accuracy is not None:
        reached = accuracy.is_reliable and accuracy.value >= section.target_accuracy
        verdicts["target_accuracy"] = {"value": accuracy.value, "stop": reached}
    return verdicts


def limit_reached(section: StoppingSection, *, labels: int, rounds: int) -> str | None:
    """The limit that ends the loop at once, if one does."""
    verdicts = rules(section, labels=labels, rounds=rounds)
    return next((name for name in LIMITS if _stops(verdicts, name)), None)


def stop_reason(state: State, section: StoppingSection) -> str | None:
    """Why the loop ends after the round just evaluated, ``None`` to go on.

    Everything is judged by the configuration now in force. Accuracy and criteria must hold
    ``patience`` rounds in a row, and a criterion ends the loop only when its ``stop`` is set; its
    rounds under another configuration do not count.
    """
    numbers = filter(state.counts, sorted(state.evaluated))
    rounds = [state.evaluated[number] for number in numbers]
    labels = state.trained[state.round].labels
    limit = limit_reached(section, labels=labels, rounds=state.rounds_measured)
    if limit is not None:
        return limit
    recent = rounds[-section.patience :]
    if len(recent) < section.patience:
        return None
    if all(_target_met(section, evaluation) for evaluation in recent):
        return "target_accuracy"
    for criterion in section.criteria:
        if criterion.stop and all(_advised(state, each, criterion.name) for each in recent):
            return criterion.name
    return None


def labels_left(section: StoppingSection, labels: int, size: int) -> int:
    """The batch size, less where the label budget ends earlier."""
    return size if section.label_budget is None else min(size, section.label_budget - labels)


def _target_met(section: StoppingSection, evaluated: RoundEvaluated) -> bool:
    accuracy = measured_in(evaluated)
    return _stops(rules(section, labels=0, rounds=0, accuracy=accuracy), "target_accuracy")


def _advised(state: State, evaluated: RoundEvaluated, name: str) -> bool:
    same = evaluated.config_digest == state.config_digest
    return same and evaluated.stopping.get(name, {}).get("stop") is True


def _stops(verdicts: Verdicts, name: str) -> bool:
    return verdicts.get(name, {}).get("stop") is True
