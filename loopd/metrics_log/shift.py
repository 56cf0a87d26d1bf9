"""Owns what is said of texts that joined a pool, from flat figures; must not measure anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopd.metrics_log.rows import number
from loopd.records import JsonValue

PREFIX = "shift."

INTAKES, SINCE, SHARE = "shift.intakes", "shift.since", "shift.share"
"""Keys of what the run itself goes on with in later rounds."""

WEEK = "shift.week."
"""How keys of a week begin; ``2026-W48.accuracy`` or ``2026-W48.draws`` follow, for example."""

SHOWN = 8
"""The last weeks that a sentence tells."""

KEYS: Mapping[str, str] = {
    "shift.new": "Texts of the last intakes that were compared with those before.",
    "shift.auc": "How well a classifier of vectors tells new texts from old ones: 0.5 where they "
    "are alike, 1 where they have nothing in common.",
    "shift.auc_low": "Lower end of its 95 % interval.",
    "shift.auc_high": "Upper end of its 95 % interval.",
    "shift.unlike": "1 where the new texts are unlike the old beyond luck, else 0.",
    "shift.late": "Texts that joined since the intake from which on draws are counted as new, "
    "without those that were withdrawn.",
    "shift.draws": "Labelled random draws of these texts.",
    "shift.accuracy": "Share of them that the model got right in the round that drew them.",
    "shift.accuracy_low": "Lower end of an interval of it that holds at all times together.",
    "shift.accuracy_high": "Upper end of it.",
    "shift.accuracy_before": "The model's accuracy on draws of the texts before, at the intake.",
    "shift.worse": "1 where the model is worse on the new texts beyond luck, else 0.",
    INTAKES: "Intakes that had joined by this round; the `shift.*` keys are there once one has.",
    SINCE: "Position in the pool from which on texts count as new since the last alarm; absent "
    "before the first.",
    SHARE: "Share of what is chosen next that new texts get with `strategy.fresh_share: auto`.",
    f"{WEEK}<week>.accuracy": "Accuracy of the round's model on random draws of the texts that "
    "joined in a week (ISO 8601, UTC), such as `2026-W48`.",
    f"{WEEK}<week>.draws": "Labelled random draws of these texts.",
}
"""Figures of a round in a pool that grows, in their order."""

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


def newly_raised(row: Mapping[str, JsonValue], before: Mapping[str, JsonValue]) -> bool:
    """Whether there is an alarm of a kind that there was not a round before."""
    names = ("shift.unlike", "shift.worse")
    return any(number(row, name) == 1 and number(before, name) != 1 for name in names)


def shift_sentence(row: Mapping[str, JsonValue]) -> str:
    """Whether new texts are unlike the old, in one or two sentences; empty without a comparison."""
    return " ".join(part for part in (_texts(row), _model(row)) if part)


@dataclass(frozen=True, slots=True)
class Week:
    """Texts that joined in one week.

    Attributes:
        name: of the week.
        draws: labelled random draws of them.
        accuracy: of the last model on these.
    """

    name: str
    draws: int
    accuracy: float


def weeks(row: Mapping[str, JsonValue]) -> tuple[Week, ...]:
    """All weeks with a labelled draw, oldest first."""
    end, found = ".accuracy", []
    for key in sorted(key for key in row if key.startswith(WEEK) and key.endswith(end)):
        name = key[len(WEEK) : -len(end)]
        accuracy, draws = number(row, key), number(row, f"{WEEK}{name}.draws")
        if accuracy is not None and draws is not None:
            found.append(Week(name, round(draws), accuracy))
    return tuple(found)


def weeks_sentence(row: Mapping[str, JsonValue]) -> str:
    """The accuracy by week; empty where there are not two weeks to compare."""
    shown = weeks(row)[-SHOWN:]
    if len(shown) < 2:
        return ""
    unit = " random draws"
    parts = [
        f"{100 * week.accuracy:.0f} % ({week.name}, {week.draws}{'' if place else unit})"
        for place, week in enumerate(shown)
    ]
    return f"By the week in which texts joined, the model is right about {', '.join(parts)}."


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
    names = ("late", "draws", "accuracy", "accuracy_low", "accuracy_high", "accuracy_before")
    values = [value for name in names if (value := number(row, f"shift.{name}")) is not None]
    if len(values) < len(names):
        return ""
    late, draws, share, low, high, before = values
    told = f"({100 * low:.0f} % to {100 * high:.0f} %), and about {100 * before:.0f} % before"
    right = f"right about {100 * share:.0f} % of {draws:.0f} random draws of"
    if number(row, "shift.worse") == 1:
        return f"The model is worse on the last {late:,.0f} texts: it was {right} them {told}."
    texts = f"the last {late:,.0f} texts"
    return f"The model was {right} {texts} {told}; that is no certain difference."
