"""Owns which charts a report has, drawn as pictures; must not know how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loopd.overview.overview import Overview

if TYPE_CHECKING:
    from loopd.dashboard.figures import Chart


def charts(seen: Overview) -> Iterator[Chart]:
    """Every chart for which the run has something to show."""
    from loopd.dashboard import figures

    rows = seen.rows
    if not rows:
        return
    matrix = figures.ConfusionMatrix.of(seen.labels, seen.confusion)
    drawn = (
        figures.curve_chart(rows),
        figures.class_chart(rows),
        figures.confusion_chart(matrix),
        figures.criteria_chart(rows),
        figures.audit_chart(rows),
        figures.seconds_chart(rows),
        figures.waiting_chart(rows),
    )
    yield from (chart for chart in drawn if chart is not None)
