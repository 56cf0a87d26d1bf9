"""Owns what was measured of the models: curve, classes, mistakes, and their labels; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopd.annotation.consensus import index_of, label_counts, targets
from loopd.machine import State
from loopd.metrics_log.measured import measured
from loopd.metrics_log.rows import Row, class_names, effort_of, number
from loopd.printable import one_line

MISTAKES = 10
"""Kinds of mistakes that are listed at most."""

FEW = 20_000
"""Records of which the labels are counted at each look, before a model is trained."""


@dataclass(frozen=True, slots=True)
class Point:
    """One round on the learning curve.

    Attributes:
        round: its number.
        effort: labels or annotations that the model was trained on.
        value, low, high: the measure with its 95 % interval.
        source, count, basis: where it comes from, on how many texts, and both in words.
    """

    round: int
    effort: int
    value: float
    low: float | None
    high: float | None
    source: str
    count: int
    basis: str


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is known.

    Attributes:
        label: its name.
        f1: on the test set.
        labels: training records that have it.
    """

    label: str
    f1: float
    labels: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """One label taken for another.

    Attributes:
        right, taken: the right label, and the one that the model took it for.
        times: how often, on the test set.
        share: of the texts with the right label.
    """

    right: str
    taken: str
    times: int
    share: float


def curve(rows: Sequence[Row]) -> tuple[Point, ...]:
    """The rounds in which the measure is known."""
    effort = effort_of(rows)
    return tuple(
        Point(
            round=int(number(row, "round") or 0),
            effort=int(number(row, effort) or 0),
            value=accuracy.value,
            low=accuracy.low,
            high=accuracy.high,
            source=accuracy.source,
            count=accuracy.count,
            basis=accuracy.basis,
        )
        for row in rows
        if (accuracy := measured(row)) is not None
    )


def classes(rows: Sequence[Row]) -> tuple[ClassScore, ...]:
    """Each class in the last round that measured any, weakest first."""
    for row in reversed(rows):
        if names := class_names([row]):
            scores = [
                ClassScore(
                    one_line(name),
                    number(row, f"f1.{name}") or 0.0,
                    int(number(row, f"labels.{name}") or 0),
                )
                for name in names
            ]
            return tuple(sorted(scores, key=lambda score: (score.f1, score.label)))
    return ()


def balance(state: State, labels: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Every class with its labels: of the last training, before that of what people said so far."""
    if state.trained:
        counts = state.trained[max(state.trained)].label_counts
    else:
        counts = label_counts(targets(state)) if index_of(state).labelled <= FEW else {}
    return tuple((one_line(label), counts.get(label, 0)) for label in labels)


def mistakes(confusion: Sequence[tuple[str, str, int]]) -> tuple[Mistake, ...]:
    """The most frequent confusions."""
    totals: dict[str, int] = {}
    for right, _, times in confusion:
        totals[right] = totals.get(right, 0) + times
    wrong = [pair for pair in confusion if pair[0] != pair[1]]
    return tuple(
        Mistake(one_line(right), one_line(taken), times, times / totals[right])
        for right, taken, times in sorted(wrong, key=lambda mistake: -mistake[2])[:MISTAKES]
    )
