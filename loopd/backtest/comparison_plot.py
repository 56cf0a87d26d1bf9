"""Owns the pictures of a backtest: learning curves with bands, and seconds; computes no figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopd.backtest.comparison import ArmSummary, Comparison
from loopd.backtest.interval import IntervalEstimate, estimate
from loopd.backtest.learning_curves import LearningCurve
from loopd.drawing import COLOURS, legend, new_figure, png, style
from loopd.metrics_log.rows import USUAL, Terms
from loopd.storage.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR_RATIO = 12
"""Slowest to fastest round above which seconds are drawn on a logarithmic axis."""


def plot_curves(comparison: Comparison, path: Path, title: str, terms: Terms = USUAL) -> None:
    """Draw the mean measure of each arm over the effort, with its 95 % t interval over seeds.

    Raises:
        StorageError: the picture cannot be written.
    """
    figure = new_figure(title, height=5.2, width=9.6)
    axes = figure.subplots()
    lines = [_draw(axes, index, arm.accuracy) for index, arm in enumerate(comparison.arms)]
    axes.set_ylabel(f"{terms.measure} on the test set")
    low, high = axes.get_ylim()
    axes.set_ylim(max(-0.01, low), min(1.01, high))
    axes.set_title(_note(comparison.arms), loc="left", fontsize=10, color="#444444")
    _finish(axes, terms.effort)
    legend(axes, lines, short_names([arm.arm for arm in comparison.arms]))
    write_atomic(path, png(figure))


def plot_seconds(
    curves: Sequence[LearningCurve], path: Path, title: str, terms: Terms = USUAL
) -> None:
    """Draw the mean seconds from last answer to next batch of each arm over the effort.

    Raises:
        StorageError: the picture cannot be written.
    """
    figure = new_figure(title, height=4.4, width=9.6)
    axes = figure.subplots()
    arms = dict.fromkeys(curve.arm for curve in curves)
    measured = [_seconds([curve for curve in curves if curve.arm == arm]) for arm in arms]
    lines = [_draw(axes, index, points) for index, points in enumerate(measured)]
    means = [point.mean for points in measured for point in points.values() if point.mean > 0]
    if means and max(means) > LINEAR_RATIO * min(means):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_ylabel("seconds per round")
    note = "from the last answer to the next batch: training, scoring the pool, choosing"
    axes.set_title(note, loc="left", fontsize=10, color="#444444")
    _finish(axes, terms.effort)
    legend(axes, lines, short_names(list(arms)))
    write_atomic(path, png(figure))


def short_names(arms: Sequence[str]) -> list[str]:
    """Names of arms without the classifier in front of them where all have the same one."""
    fronts = {arm.partition("/")[0] for arm in arms if "/" in arm}
    alike = len(fronts) == 1 and all("/" in arm for arm in arms)
    return [arm.partition("/")[2] if alike else arm for arm in arms]


def _seconds(curves: Sequence[LearningCurve]) -> dict[int, IntervalEstimate]:
    """Seconds by labels, over the seeds that have a round with so many."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for labels, seconds in zip(curve.labels, curve.seconds, strict=False):
            values.setdefault(labels, []).append(seconds)
    estimates = ((labels, estimate(values[labels])) for labels in sorted(values))
    return {labels: value for labels, value in estimates if value is not None}


def _draw(axes: Axes, index: int, points: Mapping[int, IntervalEstimate]) -> Any:
    """A line with its band; returns the line for the legend."""
    labels = list(points)
    look = style(index) | {"linestyle": "-" if index < len(COLOURS) else "--"}
    (line,) = axes.plot(
        labels, [point.mean for point in points.values()], **look, linewidth=1.8, zorder=3
    )
    low = [point.mean if point.low is None else point.low for point in points.values()]
    high = [point.mean if point.high is None else point.high for point in points.values()]
    if low != high:
        axes.fill_between(labels, low, high, color=look["color"], alpha=0.13, linewidth=0)
    return line


def _note(arms: Sequence[ArmSummary]) -> str:
    runs = sorted({len(arm.seeds) for arm in arms})
    if runs in ([], [1]):
        return "one run of each arm"
    most = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return f"mean of {most} seeds; bands: 95 % t interval"


def _finish(axes: Axes, effort: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(effort)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(left=0)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
