"""Owns the charts of the page: drawn when somebody looks, once for each round.

Must not know how they are served. Drawing takes a second: it is done in the server's threads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopd.monitoring.overview import Overview
from loopd.printable import one_line

if TYPE_CHECKING:
    from loopd.monitoring.figures import Chart

POINTS = 72
"""Of an inch: what an SVG of matplotlib is counted in."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One chart, ready to be served.

    Attributes:
        name: unique in the page, in ASCII; also that of the file.
        title, summary: what it shows and says, for people who cannot see it.
        width, height: in pixels, for the page's layout.
        svg: the document.
    """

    name: str
    title: str
    summary: str
    width: int
    height: int
    svg: bytes


@dataclass(frozen=True, slots=True)
class Gallery:
    """All charts of one round.

    Attributes:
        digest: of what they were drawn from: 16 hexadecimal digits.
        pictures: by name.
    """

    digest: str
    pictures: dict[str, Picture]


EMPTY = Gallery("", {})


def digest(seen: Overview) -> str:
    """Hash of what the charts are drawn from."""
    text = json.dumps((seen.title, seen.rows, seen.confusion), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def gallery(seen: Overview) -> Gallery:
    """Draw every chart for which the run has something to show."""
    return Gallery(digest(seen), {chart.name: _picture(chart) for chart in charts(seen)})


def charts(seen: Overview) -> Iterator[Chart]:
    """Every chart for which the run has something to show, for page and report."""
    from loopd.monitoring import figures

    rows = seen.rows
    if not rows:
        return
    matrix = figures.ConfusionMatrix.of(seen.labels, seen.confusion)
    drawn = (
        figures.curve_chart(rows),
        figures.class_chart(rows),
        figures.confusion_chart(matrix),
        figures.criteria_chart(rows),
        figures.seconds_chart(rows),
        figures.waiting_chart(rows),
    )
    yield from (chart for chart in drawn if chart is not None)


def _picture(chart: Chart) -> Picture:
    width, height = (round(side * POINTS) for side in chart.figure.get_size_inches())
    summary = one_line(chart.summary)
    return Picture(
        chart.name, chart.title, summary, width, height, chart.svg().encode("utf-8", "replace")
    )
