"""Owns the charts of how good the model is; must not compute any metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loopd.dashboard.figures.chart import GRID, Chart, brief, new_chart, note
from loopd.drawing import COLOURS
from loopd.evaluation.metrics import Confusion
from loopd.metrics_log.curve import draw_quality, label_axis
from loopd.metrics_log.measured import TEST, measured
from loopd.metrics_log.rows import (
    Row,
    class_names,
    effort_of,
    measure_name,
    number,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASSES_SHOWN = 24
"""Bars at most: the weakest classes."""

LABELS_SHOWN = 14
"""Labels of a confusion matrix at most: the most confused ones, the rest together."""

OTHERS = "(others)"

BAR_NAME, CELL_NAME = 18, 14
"""Characters of a label beside a bar and beside a cell."""

WEAK, FAIR = 0.5, 0.75
"""F1 below which a bar is orange, and below which it is yellow."""


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How often each label was taken for each on the test set.

    Attributes:
        labels: their names.
        counts: as many rows of as many numbers; row: the right label, column: the model's.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, labels: Sequence[str], pairs: Confusion) -> ConfusionMatrix | None:
        """The matrix of what :func:`~loopd.evaluation.metrics.confusion` counted.

        ``None`` where it counted nothing. A label that only the pairs know comes last.
        """
        if not pairs:
            return None
        names = dict.fromkeys([*labels, *(name for pair in pairs for name in pair[:2])])
        times = {(right, taken): count for right, taken, count in pairs}
        return cls(
            tuple(names),
            tuple(tuple(times.get((right, taken), 0) for taken in names) for right in names),
        )


def curve_chart(rows: Sequence[Row]) -> Chart | None:
    """The measure with its interval, and macro-F1, over labels; ``None`` before any is known."""
    measured_rows = [row for row in rows if measured(row) is not None]
    if not measured_rows:
        return None
    figure, axes = new_chart("curve", "Learning curve", 3.3)
    draw_quality(axes, rows)
    label_axis(axes, rows)
    return Chart("curve", "Learning curve", _curve_words(measured_rows), figure)


def _curve_words(rows: Sequence[Row]) -> str:
    """The last round and the first, of rows that are measured."""
    row, effort = rows[-1], effort_of(rows)
    last, first = measured(row), measured(rows[0])
    if last is None or first is None:
        return ""
    ends = last.interval
    within = "" if ends is None else f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})"
    at = f"after round {row.get('round')} with {number(row, effort) or 0:.0f} {effort}"
    value = f"{measure_name(last.metric)} {last.value:.3f}{within}"
    basis = "" if last.source == TEST else f" {last.basis},"
    changed = "" if first.source == last.source else f" {first.basis}"
    return f"{value}{basis} {at}; {first.value:.3f}{changed} at first."


def class_chart(rows: Sequence[Row]) -> Chart | None:
    """F1 of each class in the last round that has any, weakest first; ``None`` without one."""
    names = class_names(rows)
    if not names:
        return None
    last = next(row for row in reversed(rows) if any(f"f1.{name}" in row for name in names))
    scores = sorted((number(last, f"f1.{name}") or 0.0, name) for name in names)
    shown = scores[:CLASSES_SHOWN]
    title = "F1 of each class"
    figure, axes = new_chart("classes", title, 1.1 + 0.24 * len(shown))
    _draw_bars(axes, shown)
    after = f"after round {last.get('round')}"
    weakest = (
        f"the {len(shown)} weakest of {len(scores)} classes" if shown != scores else "all classes"
    )
    note(axes, f"{weakest}, {after}")
    words = ", ".join(f"{name} {value:.3f}" for value, name in shown)
    return Chart("classes", title, f"Weakest first, {after}: {words}.", figure)


def _draw_bars(axes: Axes, bars: Sequence[tuple[float, str]]) -> None:
    places = range(len(bars))
    values = [value for value, _ in bars]
    axes.barh(places, values, color=[_colour(value) for value in values], height=0.72)
    axes.set_yticks(
        places, [brief(name, BAR_NAME) for _, name in bars], fontsize=9, parse_math=False
    )
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.13)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for height, value in zip(places, values, strict=True):
        axes.text(value + 0.012, height, f"{value:.3f}", va="center", fontsize=8.5)


def _colour(value: float) -> str:
    return COLOURS[1] if value < WEAK else COLOURS[4] if value < FAIR else COLOURS[0]


def confusion_chart(confusion: ConfusionMatrix | None) -> Chart | None:
    """What was taken for what on the test set; ``None`` without counts.

    With many labels the most confused ones are shown and the rest put together, so that the numbers
    still add up.
    """
    if confusion is None or not confusion.counts:
        return None
    title = "Confusion matrix"
    shown = most_confused(confusion, LABELS_SHOWN)
    size = len(shown.labels)
    figure, axes = new_chart("confusion", title, 2.2 + 3.0 * min(1.0, size / 8))
    _draw_cells(axes, shown)
    whole = len(shown.labels) == len(confusion.labels)
    many = () if whole else (f"the {size - 1} most confused of {len(confusion.labels)} labels",)
    note(axes, "rows: right label; columns: the model's", *many)
    return Chart("confusion", title, _confusion_words(confusion), figure)


def most_confused(confusion: ConfusionMatrix, most: int) -> ConfusionMatrix:
    """The matrix of the labels with the most mistakes, the others in a last row and column."""
    counts = np.asarray(confusion.counts, dtype=np.int64)
    if len(counts) <= most:
        return confusion
    wrong = counts.sum(0) + counts.sum(1) - 2 * np.diag(counts)
    kept = np.sort(np.argsort(-wrong, kind="stable")[: most - 1])
    target = np.full(len(counts), len(kept))
    target[kept] = np.arange(len(kept))
    smaller = np.zeros((most, most), dtype=np.int64)
    np.add.at(smaller, (target[:, None], target[None, :]), counts)
    labels = (*(confusion.labels[index] for index in kept), OTHERS)
    return ConfusionMatrix(labels, tuple(tuple(int(n) for n in row) for row in smaller))


def mistakes(confusion: ConfusionMatrix) -> list[tuple[int, str, str]]:
    """Every confusion that happened as (times, right label, model's), most frequent first."""
    pairs = [
        (times, right, taken)
        for right, row in zip(confusion.labels, confusion.counts, strict=True)
        for taken, times in zip(confusion.labels, row, strict=True)
        if times and right != taken
    ]
    return sorted(pairs, key=lambda mistake: -mistake[0])


def _draw_cells(axes: Axes, confusion: ConfusionMatrix) -> None:
    counts = np.asarray(confusion.counts, dtype=np.int64)
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    size = len(counts)
    # Shapes, not an image: an SVG with images in it would need a wider security policy.
    axes.pcolormesh(
        range(size), range(size), shares, cmap="Blues", vmin=0, vmax=1, shading="nearest",
        edgecolors="#EEEEEE", linewidth=0.5,
    )  # fmt: skip
    axes.invert_yaxis()
    small = 10 if size <= 6 else 8.5 if size <= 10 else 7
    names = [brief(label, CELL_NAME) for label in confusion.labels]
    axes.set_xticks(range(size), names, fontsize=small, rotation=90, parse_math=False)
    axes.set_yticks(range(size), names, fontsize=small, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(counts):
        ink = "white" if shares[row, column] > 0.55 else "black"
        axes.text(
            column,
            row,
            f"{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=small,
            color=ink,
        )


def _confusion_words(confusion: ConfusionMatrix) -> str:
    pairs = mistakes(confusion)
    right = sum(row[index] for index, row in enumerate(confusion.counts))
    total = sum(map(sum, confusion.counts))
    most = ", ".join(
        f"{right} taken for {taken} {times} times" for times, right, taken in pairs[:5]
    )
    return f"{right} of {total} are right. " + (f"Most often wrong: {most}." if most else "")
