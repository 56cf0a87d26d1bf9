"""Owns the numbers of the charts of how good the model is; must not compute any metric."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from loopd.dashboard.charts.data import (
    BARS,
    LINES,
    MATRIX,
    Axis,
    ChartData,
    ChartPoint,
    ReferenceLine,
)
from loopd.dashboard.charts.data import ChartSeries as Series
from loopd.dashboard.figures.quality import ConfusionMatrix, mistakes, most_confused
from loopd.metrics_log.audit import audit_findings, has_audit
from loopd.metrics_log.measured import ASKED, AUDIT, CROSS, DRAWS, TEST, judged_by
from loopd.metrics_log.rows import Row, measure_name, number
from loopd.overview.overview import Overview
from loopd.overview.tested import ClassScore, Point
from loopd.overview.wording import percent, share
from loopd.printable import one_line

LOOKS = {TEST: "0", ASKED: "0", DRAWS: "2", CROSS: "3"}
"""Colour and mark of each source of the accuracy."""

SOURCE_WORDS = {
    TEST: "on the test set",
    ASKED: "on the test set that people label",
    DRAWS: "on random draws",
    CROSS: "by cross-validation",
}

CLASSES_SHOWN, LABELS_SHOWN = 40, 16
"""Bars, and labels of a matrix, at most; the tables have all."""

WEAK, FAIR = 0.5, 0.75
"""F1 below which a bar has the colour of a warning, and below which it has that of a doubt."""


def curve_data(seen: Overview) -> ChartData | None:
    """The accuracy with its interval over labels, and macro-F1; ``None`` before any is known."""
    if not seen.curve:
        return None
    name, effort = measure_name(seen.metric), seen.effort
    through = tuple(ChartPoint(point.effort, point.value) for point in seen.curve)
    return ChartData(
        "curve",
        f"Learning curve: {name} over {effort}",
        LINES,
        _curve_words(seen.curve, name, effort),
        Axis(effort, whole=True),
        Axis(f"{name} (share, 0 to 1)", 0.0, 1.0),
        (Series("", "quiet", through), *_sources(seen.curve, name, effort), *_macro(seen)),
        rules=(*_switches(seen.curve), *_target(seen)),
    )


def _sources(curve: Sequence[Point], name: str, effort: str) -> list[Series]:
    """One series for each source of the accuracy, in the order in which they turn up."""
    return [
        Series(
            f"{name} {SOURCE_WORDS[source]}, 95 % interval",
            LOOKS[source],
            tuple(
                ChartPoint(one.effort, one.value, _words(one, name, effort), one.low, one.high)
                for one in curve
                if one.source == source
            ),
        )
        for source in dict.fromkeys(point.source for point in curve)
    ]


def _words(point: Point, name: str, effort: str) -> str:
    within = (
        "" if point.low is None else f", 95 % interval {share(point.low)} to {share(point.high)}"
    )
    return (
        f"round {point.round}, {point.effort:,} {effort}: {name} {share(point.value)}{within}, "
        f"{point.basis}"
    )


def _macro(seen: Overview) -> list[Series]:
    points = tuple(
        ChartPoint(number(row, seen.effort) or 0.0, value, f"macro-F1 {share(value)}")
        for row in seen.rows
        if (value := number(row, "macro_f1")) is not None
    )
    return [Series("macro-F1", "1", points, dashed=True)] if points else []


def _switches(curve: Sequence[Point]) -> list[ReferenceLine]:
    """Where the accuracy comes from another source than before."""
    return [
        ReferenceLine(
            (one.effort + other.effort) / 2, f"from here {SOURCE_WORDS[other.source]}", True
        )
        for one, other in pairwise(curve)
        if one.source != other.source
    ]


def _target(seen: Overview) -> list[ReferenceLine]:
    target = seen.budget.target
    return [] if target is None else [ReferenceLine(target, f"target {share(target)}")]


def _curve_words(curve: Sequence[Point], name: str, effort: str) -> str:
    last, first = curve[-1], curve[0]
    after = f"After round {last.round}, with {last.effort:,} {effort}: {name} {share(last.value)}"
    if last.low is not None:
        after += f" (95 % interval {share(last.low)} to {share(last.high)})"
    after += f", {last.basis}."
    return after if len(curve) == 1 else f"{after} At first it was {share(first.value)}."


def class_data(seen: Overview) -> ChartData | None:
    """F1 of each class, weakest first; ``None`` where it is not known."""
    if not seen.classes:
        return None
    shown = seen.classes[:CLASSES_SHOWN]
    points = tuple(
        ChartPoint(index, row.f1, _class_words(row), look=_bar_look(row.f1))
        for index, row in enumerate(shown)
    )
    many = "" if len(shown) == len(seen.classes) else f" The {len(shown)} weakest are shown."
    weakest = seen.classes[0]
    return ChartData(
        "classes",
        "F1 of each class",
        BARS,
        f"Weakest: {weakest.label} with F1 {share(weakest.f1)}.{many}",
        Axis("class", whole=True),
        Axis("F1 (0 to 1)", 0.0, 1.0),
        (Series("F1", "0", points),),
        tuple(row.label for row in shown),
    )


def _class_words(row: ClassScore) -> str:
    return f"{row.label}: F1 {share(row.f1)}, {row.labels:,} labels"


def _bar_look(value: float) -> str:
    return "1" if value < WEAK else "4" if value < FAIR else "0"


def balance_data(seen: Overview) -> ChartData | None:
    """How many labels each class has; ``None`` before anybody labelled."""
    total = sum(count for _, count in seen.balance)
    if not total:
        return None
    ranked = sorted(seen.balance, key=lambda entry: -entry[1])
    shown = ranked[:CLASSES_SHOWN]
    points = tuple(
        ChartPoint(index, count, f"{label}: {count:,} labels, {percent(count / total)}")
        for index, (label, count) in enumerate(shown)
    )
    without = sum(not count for _, count in ranked)
    lacking = (
        f" {without} {'class has' if without == 1 else 'classes have'} none." if without else ""
    )
    return ChartData(
        "balance",
        "Labels of each class",
        BARS,
        f"Most: {ranked[0][0]} with {ranked[0][1]:,} of {total:,}.{lacking}",
        Axis("class", whole=True),
        Axis("labels", whole=True),
        (Series("labels", "5", points),),
        tuple(label for label, _ in shown),
    )


def confusion_data(seen: Overview) -> ChartData | None:
    """What was taken for what on the test set; ``None`` where nothing was counted.

    Of many labels the most confused ones are shown and the rest put together, so that the numbers
    still add up.
    """
    whole = ConfusionMatrix.of(seen.labels, seen.confusion)
    if whole is None:
        return None
    matrix = most_confused(whole, LABELS_SHOWN)
    names = tuple(map(one_line, matrix.labels))
    return ChartData(
        "confusion",
        "Confusion matrix",
        MATRIX,
        _confusion_words(whole),
        Axis("the model's label", whole=True),
        Axis("right label", whole=True),
        tuple(
            Series(names[row], "0", _cells(row, names, counts, _right_of_others(whole, matrix)))
            for row, counts in enumerate(matrix.counts)
        ),
        names,
    )


def _right_of_others(whole: ConfusionMatrix, shown: ConfusionMatrix) -> int | None:
    """How many texts of the labels that are put together are right; ``None`` where none are."""
    if len(shown.labels) == len(whole.labels):
        return None
    return sum(_diagonal(whole)) - sum(_diagonal(shown)[:-1])


def _diagonal(matrix: ConfusionMatrix) -> list[int]:
    return [row[index] for index, row in enumerate(matrix.counts)]


def _cells(
    row: int, names: Sequence[str], counts: Sequence[int], right_of_others: int | None
) -> tuple[ChartPoint, ...]:
    """One row of the matrix.

    Args:
        row: its number.
        names: of all labels that are shown.
        counts: of the row.
        right_of_others: how many of the last cell of the last row are right, where that stands for
            several labels.
    """
    total, last = sum(counts), len(names) - 1
    verdicts = [f"taken for {name}" for name in names]
    verdicts[row] = "right"
    if row == last and right_of_others is not None:
        verdicts[row] = f"taken for one of them, {right_of_others:,} of which are right"
    return tuple(
        ChartPoint(column, count, _cell_words(names[row], verdict, count, total))
        for column, (verdict, count) in enumerate(zip(verdicts, counts, strict=True))
    )


def _cell_words(label: str, verdict: str, count: int, total: int) -> str:
    part = percent(count / total) if total else "-"
    return f"{label}, {verdict}: {count:,} of {total:,} ({part})"


def _confusion_words(matrix: ConfusionMatrix) -> str:
    right, total = sum(_diagonal(matrix)), sum(map(sum, matrix.counts))
    worst = mistakes(matrix)[:1]
    often = "".join(
        f" Most often wrong: {one_line(label)}, taken for {one_line(taken)} {times:,} times."
        for times, label, taken in worst
    )
    return f"{right:,} of {total:,} test texts are right.{often}"


ARMS = (
    ("audit.chosen_accuracy", "a cheap model of chosen labels", "4"),
    ("audit.random_accuracy", "the same of as many random labels", "6"),
)
"""Keys, names and looks of the comparison."""


def audit_data(seen: Overview) -> ChartData | None:
    """The model on random draws, and chosen against random labels; ``None`` before both say."""
    rows = [row for row in seen.rows if has_audit(row)]
    metric = judged_by(rows[-1] if rows else {})
    name = measure_name(metric)
    drawn = _draws(rows, metric, name, seen.effort)
    if not drawn:
        return None
    return ChartData(
        "audit",
        "What random draws say",
        LINES,
        " ".join(audit_findings(rows[-1])),
        Axis(seen.effort, whole=True),
        Axis(f"{name} (share, 0 to 1)", 0.0, 1.0),
        (
            Series(f"the model's {name}, 95 % interval", "2", drawn),
            *(arm for key, words, look in ARMS if (arm := _arm(rows, key, words, look, seen))),
        ),
    )


def _draws(rows: Sequence[Row], metric: str, name: str, effort: str) -> tuple[ChartPoint, ...]:
    key = f"{AUDIT}{metric}"
    return tuple(
        ChartPoint(
            number(row, effort) or 0.0,
            value,
            f"{name} {share(value)} on {row['audit.draws']} random draws",
            number(row, f"{key}_low"),
            number(row, f"{key}_high"),
        )
        for row in rows
        if (value := number(row, key)) is not None
    )


def _arm(rows: Sequence[Row], key: str, name: str, look: str, seen: Overview) -> Series | None:
    points = tuple(
        ChartPoint(number(row, seen.effort) or 0.0, value, f"{name}: {share(value)}")
        for row in rows
        if (value := number(row, key)) is not None
    )
    return Series(name, look, points, dashed=look == "6") if points else None
