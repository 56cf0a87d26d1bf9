"""Owns which charts the page has: numbers and words of each, which the browser draws.

Pure: everything comes from one overview, so that no chart is behind the figures beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loopd.dashboard.charts.course import (
    criteria_data,
    progress_data,
    seconds_data,
    waiting_data,
)
from loopd.dashboard.charts.data import ChartData
from loopd.dashboard.charts.quality import (
    audit_data,
    balance_data,
    class_data,
    confusion_data,
    curve_data,
)
from loopd.overview.overview import Overview

MAKERS: tuple[Callable[[Overview], ChartData | None], ...] = (
    curve_data,
    progress_data,
    balance_data,
    class_data,
    confusion_data,
    criteria_data,
    audit_data,
    seconds_data,
    waiting_data,
)


def chart_data(seen: Overview) -> Mapping[str, ChartData]:
    """Every chart for which the run has something to show, by name."""
    made = (make(seen) for make in MAKERS)
    return {chart.name: chart for chart in made if chart is not None}
