"""Owns nothing: names the charts of page and report in one place.

Each function draws one :class:`Chart` from rows of the metrics log, or gives ``None`` where the
run has nothing to show for it yet.
"""

from loopd.dashboard.figures.audit import audit_chart
from loopd.dashboard.figures.chart import Chart
from loopd.dashboard.figures.course import criteria_chart, seconds_chart, waiting_chart
from loopd.dashboard.figures.quality import (
    ConfusionMatrix,
    class_chart,
    confusion_chart,
    curve_chart,
)

__all__ = [
    "Chart",
    "ConfusionMatrix",
    "audit_chart",
    "class_chart",
    "confusion_chart",
    "criteria_chart",
    "curve_chart",
    "seconds_chart",
    "waiting_chart",
]
