"""Owns whether the loop ends: budgets, targets and criteria with patience; pure."""

from __future__ import annotations

from collections.abc import Mapping

from loopd.config import StoppingSection
from loopd.machine import State
from loopd.records import JsonValue

Verdicts = Mapping[str, Mapping[str, JsonValue]]


def rules(
    section: StoppingSection, *, labels: int, rounds: int, accuracy: float | None
) -> dict[str, dict[str, JsonValue]]:
    """Value and verdict of each configured rule that needs no small-text."""
    found: dict[str, dict[str, JsonValue]] = {}
    if section.label_budget is not None:
        found["label_budget"] = {"value": labels, "stop": labels >= section.label_budget}
    if section.max_rounds is not None:
        found["max_rounds"] = {"value": rounds, "stop": rounds >= section.max_rounds}
    if section.target_accuracy is not None and accuracy is not None:
        reached = accuracy >= section.target_accuracy
        found["target_accuracy"] = {"value": accuracy, "stop": reached}
    return found


def stop_reason(state: State, section: StoppingSection) -> str | None:
    """Why the loop ends after the round just evaluated, ``None`` to go on.

    Budgets count at once. Accuracy and criteria must hold ``patience`` rounds in a row, and a
    criterion ends the loop only when its ``stop`` is set.
    """
    history: list[Verdicts] = [
        state.evaluated[number].stopping for number in sorted(state.evaluated)
    ]
    patient = ["target_accuracy"] if section.target_accuracy is not None else []
    patient += [criterion.name for criterion in section.criteria if criterion.stop]
    for name in ("label_budget", "max_rounds"):
        if _limit_reached(name, state, section):
            return name
    for name in patient:
        if _held(history, name, section.patience):
            return name
    return None


def _limit_reached(name: str, state: State, section: StoppingSection) -> bool:
    """Limits are judged by the configuration now in force, not by the one of the round."""
    if name == "max_rounds":
        return section.max_rounds is not None and len(state.evaluated) >= section.max_rounds
    trained = state.trained[max(state.trained)]
    return section.label_budget is not None and trained.labels >= section.label_budget


def _held(history: list[Verdicts], name: str, patience: int) -> bool:
    recent = history[-patience:]
    return len(recent) == patience and all(
        verdicts.get(name, {}).get("stop") is True for verdicts in recent
    )
