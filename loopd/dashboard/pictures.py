"""Owns which charts a run has; for the page drawn when somebody looks, once for each round.

Must not know how they are served, and keeps nobody waiting: what is not drawn yet is left out.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from loopd import log
from loopd.overview.overview import Overview
from loopd.printable import one_line

if TYPE_CHECKING:
    from loopd.dashboard.figures import Chart

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
class ChartSet:
    """All charts of one round.

    Attributes:
        digest: of what they were drawn from: 16 hexadecimal digits.
        pictures: by name.
    """

    digest: str
    pictures: dict[str, Picture]


EMPTY = ChartSet("", {})


class ChartRenderer:
    """Draws the charts of the newest round in a thread of its own, and shows those that are ready.

    Its thread is no daemon thread: a process that ends in the middle of matplotlib would abort.
    """

    def __init__(self) -> None:
        self.gallery = EMPTY
        """The newest that is whole; replaced as a whole."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def want(self, seen: Overview) -> None:
        """Begin to draw, unless that is done or another drawing goes on; returns at once."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            if busy or self._closing.is_set() or digest(seen) == self.gallery.digest:
                return
            self._thread = threading.Thread(target=self._draw, args=(seen,), name="painter")
            self._thread.start()

    def close(self) -> None:
        """End after the present chart."""
        with self._lock:
            self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _draw(self, seen: Overview) -> None:
        pictures: dict[str, Picture] = {}
        for draw in _drawings(seen):
            if self._closing.is_set():
                return
            try:
                chart = draw()
                if chart is not None:
                    pictures[chart.name] = _picture(chart)
            except Exception as error:  # noqa: BLE001 - the page is whole without a chart
                problem = f"{type(error).__name__}: {error}"
                log.get("dashboard").warning("chart_failed", problem=problem)
        self.gallery = ChartSet(digest(seen), pictures)


def digest(seen: Overview) -> str:
    """Hash of what the charts are drawn from."""
    text = json.dumps((seen.title, seen.rows, seen.confusion), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def charts(seen: Overview) -> Iterator[Chart]:
    """Every chart for which the run has something to show, for a report."""
    yield from (chart for draw in _drawings(seen) if (chart := draw()) is not None)


def _drawings(seen: Overview) -> Iterator[Callable[[], Chart | None]]:
    from loopd.dashboard import figures

    rows = seen.rows
    if not rows:
        return
    matrix = figures.ConfusionMatrix.of(seen.labels, seen.confusion)
    yield partial(figures.curve_chart, rows)
    yield partial(figures.class_chart, rows)
    yield partial(figures.confusion_chart, matrix)
    yield partial(figures.criteria_chart, rows)
    yield partial(figures.audit_chart, rows)
    yield partial(figures.seconds_chart, rows)
    yield partial(figures.waiting_chart, rows)


def _picture(chart: Chart) -> Picture:
    width, height = (round(side * POINTS) for side in chart.figure.get_size_inches())
    summary = one_line(chart.summary)
    return Picture(
        chart.name, chart.title, summary, width, height, chart.svg().encode("utf-8", "replace")
    )
