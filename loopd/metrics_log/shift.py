"""Owns what is said of texts that joined a pool, from flat figures; must not measure anything.

No run says it yet: see ``evaluation.shift``.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopd.metrics_log.rows import number
from loopd.records import JsonValue

KEYS: Mapping[str, str] = {
    "shift.new": "Texts of the last intakes that were compared with those before.",
    "shift.auc": "How well a classifier of vectors tells new texts from old ones: 0.5 where they "
    "are alike, 1 where they have nothing in common.",
    "shift.auc_low": "Lower end of its 95 % interval.",
    "shift.auc_high": "Upper end of its 95 % interval.",
    "shift.unlike": "1 where the new texts are unlike the old beyond luck, else 0.",
    "shift.draws": "Labelled random draws of the new texts.",
    "shift.accuracy": "Share of them that the model got right when their labels came.",
    "shift.accuracy_low": "Lower end of an interval of it that holds at all times together.",
    "shift.accuracy_high": "Upper end of it.",
    "shift.accuracy_before": "The model's accuracy on draws of the texts before, at the intake.",
    "shift.worse": "1 where the model is worse on the new texts beyond luck, else 0.",
}
"""Figures of an intake, in their order (``evaluation.shift.figures``)."""

METRICS: Mapping[str, str] = {
    "loopd_shift_auc": "How well a classifier tells the newest texts from others; 0.5: alike.",
    "loopd_shift_unlike": "1 where the newest texts are unlike those before, else 0.",
    "loopd_shift_accuracy": "The model's accuracy on random draws of the newest texts.",
    "loopd_shift_worse": "1 where the model is worse on the newest texts, else 0.",
}
"""Names for Prometheus; the value of each is the figure whose key ends alike."""


def is_alarm(row: Mapping[str, JsonValue]) -> bool:
    """Whether the new texts are unlike the old, or the model is worse on them."""
    return any(number(row, f"shift.{name}") == 1 for name in ("unlike", "worse"))


def gauges(row: Mapping[str, JsonValue]) -> dict[str, float]:
    """The values of the metrics, as far as they are known."""
    values = {name: number(row, f"shift.{name.removeprefix('loopd_shift_')}") for name in METRICS}
    return {name: value for name, value in values.items() if value is not None}


def shift_sentence(row: Mapping[str, JsonValue]) -> str:
    """Whether new texts are unlike the old, in one or two sentences; empty without a comparison."""
    return " ".join(part for part in (_texts(row), _model(row)) if part)


def _texts(row: Mapping[str, JsonValue]) -> str:
    auc, low, high = (number(row, f"shift.auc{end}") for end in ("", "_low", "_high"))
    new = number(row, "shift.new")
    if auc is None or low is None or high is None or new is None:
        return ""
    span = f"told apart with an AUC of {auc:.2f}, {low:.2f} to {high:.2f}"
    if number(row, "shift.unlike") == 1:
        return f"The newest texts ({new:,.0f}) are unlike those before ({span})."
    return f"The newest texts ({new:,.0f}) are like those before ({span})."


def _model(row: Mapping[str, JsonValue]) -> str:
    names = ("draws", "accuracy", "accuracy_low", "accuracy_high", "accuracy_before")
    draws, share, low, high, before = (number(row, f"shift.{name}") for name in names)
    if draws is None or share is None or low is None or high is None or before is None:
        return ""
    told = (
        f"right about {100 * share:.0f} % of {draws:.0f} random draws of them "
        f"({100 * low:.0f} % to {100 * high:.0f} %), and about {100 * before:.0f} % before"
    )
    if number(row, "shift.worse") == 1:
        return f"The model is worse on them: it was {told}."
    return f"The model was {told}; that is no certain difference."
