"""Owns the learning curve as a picture; must not compute any metric.

matplotlib is imported when a picture is drawn, and used without its global state (no pyplot), so
that any thread may draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from loopd.drawing import COLOURS, legend, new_figure, png, style
from loopd.metrics_log.measured import ASKED, CROSS, DRAWS, TEST, Measured, measured
from loopd.metrics_log.rows import (
    Row,
    class_names,
    criterion_names,
    effort_of,
    measure_name,
    number,
)
from loopd.storage.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MACRO_F1, GREY, LINE = COLOURS[1], "#B8B8B8", "#8A8A8A"

LOOKS = {
    TEST: (COLOURS[0], "o"),
    ASKED: (COLOURS[0], "P"),
    DRAWS: (COLOURS[2], "D"),
    CROSS: (COLOURS[3], "v"),
}
"""Colour and marker of each source of the accuracy."""

WORDS = {
    TEST: "on the test set",
    ASKED: "on the test set that people labelled",
    DRAWS: "on random draws",
    CROSS: "by cross-validation",
}

NAMED_CLASSES = 8
"""With more classes than this, only the weakest are named and coloured."""


def plot_learning_curve(rows: Sequence[Row], path: Path, title: str) -> None:
    """Draw accuracy (or the task's own measure), macro-F1 and the F1 of each class over the effort.

    Where the accuracy comes from is told by colour and mark, and a dotted line stands where that
    changes. Before anything is measured the stopping criteria are drawn. Class names may hold
    anything.

    Args:
        rows: rounds, oldest first; may be one or none.
        path: the PNG to write.
        title: heading of the picture.

    Raises:
        StorageError: the picture cannot be written.
    """
    write_atomic(path, png(_figure(rows, title)))


def _figure(rows: Sequence[Row], title: str) -> Figure:
    names = class_names(rows)
    figure = new_figure(title, height=7.2 if names else 4.6)
    if names:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_classes(lower, rows, names)
    else:
        upper = lower = figure.subplots()
    draw_quality(upper, rows)
    label_axis(lower, rows)
    return figure


def draw_quality(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the measure with its interval, or the stopping criteria where nothing is measured."""
    axes.set_ylim(0, 1.02)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    measures = [measured(row) for row in rows]
    if any(measures):
        _draw_measure(axes, rows, measures)
    else:
        draw_criteria(axes, rows)


Measures: TypeAlias = "Sequence[Measured | None]"


def _draw_measure(axes: Axes, rows: Sequence[Row], measures: Measures) -> None:
    labels = series(rows, effort_of(rows))
    whole = [math.nan if one is None else one.value for one in measures]
    axes.plot(labels, whole, color=LINE, linewidth=1.4, zorder=1)
    name = measure_name(_metric(measures))
    parts, names = [], []
    for source in _sources(measures):
        parts.append(_draw_source(axes, labels, measures, source))
        names.append(f"{name} {WORDS[source]}, 95 % interval")
    if any(number(row, "macro_f1") is not None for row in rows):
        macro_f1 = series(rows, "macro_f1")
        look: dict[str, Any] = {
            "color": MACRO_F1,
            "marker": "s",
            "markersize": 4,
            "linestyle": "--",
        }
        parts += axes.plot(labels, macro_f1, **look)
        names.append("macro-F1")
    _mark_switches(axes, labels, measures)
    axes.set_ylabel("on the test set" if _sources(measures) == [TEST] else name)
    axes.set_title(_summary(rows, measures), loc="left", fontsize=10, color="#444444")
    axes.legend(parts, names, loc="lower right", fontsize=8.5)


def _draw_source(axes: Axes, labels: Sequence[float], measures: Measures, source: str) -> Any:
    """The points that come from one source, with their intervals."""
    own = [one if one is not None and one.source == source else None for one in measures]
    low, high = (
        [math.nan if one is None or (end := getattr(one, side)) is None else end for one in own]
        for side in ("low", "high")
    )
    colour, marker = LOOKS[source]
    if sum(one is not None for one in own) == 1:
        axes.vlines(labels, low, high, color=colour, alpha=0.35, linewidth=6)
    axes.fill_between(labels, low, high, color=colour, alpha=0.18, linewidth=0)
    values = [math.nan if one is None else one.value for one in own]
    (line,) = axes.plot(labels, values, color=colour, marker=marker, linewidth=2.2)
    return line


def _mark_switches(axes: Axes, labels: Sequence[float], measures: Measures) -> None:
    """A dotted line wherever the accuracy comes from another source than before."""
    shown = [(at, one.source) for at, one in zip(labels, measures, strict=True) if one is not None]
    for (before, source), (after, later) in pairwise(shown):
        if source != later:
            axes.axvline((before + after) / 2, color="#777777", linestyle=":", linewidth=1.2)


def _sources(measures: Measures) -> list[str]:
    return list(dict.fromkeys(one.source for one in measures if one is not None))


def _metric(measures: Measures) -> str:
    return next((one.metric for one in measures if one is not None), "accuracy")


def _summary(rows: Sequence[Row], measures: Measures) -> str:
    """The first and the last value in words."""
    effort = effort_of(rows)
    told = [
        f"{one.value:.3f} at {number(row, effort) or 0:.0f} {effort}"
        for row, one in zip(rows, measures, strict=True)
        if one is not None
    ]
    name = measure_name(_metric(measures))
    return f"{name} {told[0]}" if len(told) == 1 else f"{name} {told[0]}, {told[-1]}"


def draw_criteria(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw those stopping criteria whose values lie between 0 and 1."""
    labels = series(rows, effort_of(rows))
    lines: list[Any] = []
    names: list[str] = []
    for name in criterion_names(rows):
        values = series(rows, f"stop.{name}.value")
        if all(math.isnan(value) or 0 <= value <= 1 for value in values):
            lines += axes.plot(labels, values, **style(len(lines)), linewidth=1.6)
            names.append(name)
    note = "not measured yet: stopping criteria" if rows else "no round is finished yet"
    axes.set_title(note, loc="left", fontsize=10, color="#444444")
    if lines:
        legend(axes, lines, names)


def _draw_classes(axes: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("F1 of each class")
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    strongest = sorted(names, key=lambda name: _last(rows, f"f1.{name}"), reverse=True)
    named = strongest[-NAMED_CLASSES:]
    labels = series(rows, effort_of(rows))
    for name in strongest[:-NAMED_CLASSES]:
        axes.plot(labels, series(rows, f"f1.{name}"), color=GREY, linewidth=0.8)
    lines = [
        axes.plot(labels, series(rows, f"f1.{name}"), **style(index), linewidth=1.1)[0]
        for index, name in enumerate(named)
    ]
    if len(named) < len(names):
        note = f"the {len(named)} weakest of {len(names)} classes are named"
        axes.set_title(note, loc="left", fontsize=9, color="#444444")
    legend(axes, lines, named)


def label_axis(axes: Axes, rows: Sequence[Row]) -> None:
    """Name the axis of the effort and let it begin at 0."""
    from matplotlib.ticker import MaxNLocator

    effort = effort_of(rows)
    axes.set_xlabel(effort)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    most = max((number(row, effort) or 0.0 for row in rows), default=0.0)
    axes.set_xlim(0, max(most, 1.0) * 1.04)


def series(rows: Sequence[Row], key: str) -> list[float]:
    """A value of each row, not a number where there is none."""
    values = (number(row, key) for row in rows)
    return [math.nan if value is None else value for value in values]


def _last(rows: Sequence[Row], key: str) -> float:
    """The last known value; below all others where there is none."""
    numbers = [value for row in rows if (value := number(row, key)) is not None]
    return numbers[-1] if numbers else -1.0
