"""Owns the chart of what random draws say of model and choice; must not compute any metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loopd.dashboard.figures.chart import GRID, Chart, new_chart, note
from loopd.drawing import COLOURS
from loopd.metrics_log.audit import audit_findings, has_audit
from loopd.metrics_log.curve import label_axis, series
from loopd.metrics_log.measured import AUDIT, judged_by
from loopd.metrics_log.rows import Row, effort_of, measure_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What random draws say"

ARMS = (
    ("audit.chosen_accuracy", "a cheap model of chosen labels", COLOURS[4], "-"),
    ("audit.random_accuracy", "the same of as many random labels", "#555555", "--"),
)
"""Keys, names, colours and lines of the comparison."""


def audit_chart(rows: Sequence[Row]) -> Chart | None:
    """The model on random draws with its interval, and chosen against random labels.

    ``None`` before the draws say anything.
    """
    audited = [row for row in rows if has_audit(row)]
    metric = judged_by(audited[-1] if audited else {})
    values = series(audited, f"{AUDIT}{metric}")
    if all(map(math.isnan, values)):
        return None
    figure, axes = new_chart("audit", TITLE, 3.3)
    labels = series(audited, effort_of(rows))
    _draw_model(axes, labels, values, _ends(audited, metric), measure_name(metric))
    for key, name, colour, line in ARMS:
        arm = series(audited, key)
        if not all(map(math.isnan, arm)):
            axes.plot(labels, arm, line, color=colour, marker=".", linewidth=1.6, label=name)
    axes.set_ylim(0, 1.02)
    axes.grid(color=GRID, linewidth=0.8)
    note(axes, f"{audited[-1]['audit.draws']} draws have a label")
    axes.legend(loc="lower right", fontsize=8.5)
    label_axis(axes, rows)
    return Chart("audit", TITLE, " ".join(audit_findings(audited[-1])), figure)


def _ends(rows: Sequence[Row], metric: str) -> tuple[list[float], list[float]]:
    return series(rows, f"{AUDIT}{metric}_low"), series(rows, f"{AUDIT}{metric}_high")


def _draw_model(
    axes: Axes,
    labels: Sequence[float],
    values: Sequence[float],
    ends: tuple[Sequence[float], Sequence[float]],
    name: str,
) -> None:
    axes.fill_between(labels, *ends, color=COLOURS[2], alpha=0.18, linewidth=0)
    look: dict[str, Any] = {"color": COLOURS[2], "marker": "D", "markersize": 4}
    axes.plot(labels, values, **look, linewidth=2, label=f"the model's {name}, 95 % interval")
