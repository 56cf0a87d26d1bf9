"""Owns what a chart is before it is drawn: numbers, words and axes; must not know how it looks.

The browser draws it (``static/charts.js``) and shows the words of a point as they stand here, so
that a tooltip says what the tables say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Kind = Literal["lines", "bars", "stack", "matrix"]

LINES: Kind = "lines"
BARS: Kind = "bars"
STACK: Kind = "stack"
MATRIX: Kind = "matrix"


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a chart.

    Attributes:
        title: what it counts, with its unit.
        low, high: where it begins and ends; ``None``: where the points do.
        whole: whether only whole numbers are marked.
    """

    title: str
    low: float | None = 0.0
    high: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One number of a chart.

    Attributes:
        x, y: where it lies; of bars and matrices ``x`` is an index of the categories. ``y`` is
            ``None`` where the number is not known.
        low, high: ends of its interval, ``None`` without one.
        words: what it says, for the tooltip; one without has none.
        strong: whether it is marked.
        look: its own in the place of that of its series.
    """

    x: float
    y: float | None
    words: str = ""
    low: float | None = None
    high: float | None = None
    strong: bool = False
    look: str = ""


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """Points that belong together.

    Attributes:
        name: for the legend; one without is in none, nor in tables.
        look: colour and mark: a digit from 0 to 7, or ``quiet``.
        points: in the order of ``x``.
        dashed: whether its line is.
    """

    name: str
    look: str
    points: tuple[ChartPoint, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """A line through the whole chart.

    Attributes:
        at: where on its axis.
        words: what it stands for.
        upright: whether it stands on the axis of ``x``.
    """

    at: float
    words: str
    upright: bool = False


@dataclass(frozen=True, slots=True)
class ChartData:
    """One chart.

    Attributes:
        name: unique in a page, in ASCII.
        title: what it shows.
        kind: ``lines``; ``bars``: lying, one for each category; ``stack``: upright, one series on
            the other; ``matrix``: a series for each row, a category for each column.
        summary: what it says, in words.
        x, y: the axes; of ``bars`` ``x`` is the one of the categories.
        series: what is drawn.
        categories: names along ``x`` of bars, and along both axes of a matrix.
        rules: lines through the whole.
    """

    name: str
    title: str
    kind: Kind
    summary: str
    x: Axis
    y: Axis
    series: tuple[ChartSeries, ...]
    categories: tuple[str, ...] = ()
    rules: tuple[ReferenceLine, ...] = ()

    @property
    def named(self) -> tuple[ChartSeries, ...]:
        """The series that a table has a column for."""
        return tuple(one for one in self.series if one.name)

    def table(self) -> list[tuple[str, list[float | None]]]:
        """Its numbers as rows: the category or ``x``, then one number of each named series."""
        columns = [dict(_numbered(one.points)) for one in self.named]
        keys = sorted({key for column in columns for key in column})
        return [(self._at(key[0]), [column.get(key) for column in columns]) for key in keys]

    def as_json(self) -> str:
        """All of it for the browser, in ASCII; of points only what is not as usual."""
        content = asdict(self)
        for one in content["series"]:
            one["points"] = [_brief(point) for point in one["points"]]
        return json.dumps(content, allow_nan=False)

    def _at(self, x: float) -> str:
        return self.categories[int(x)] if self.categories else f"{x:,.6g}"


def _numbered(points: Sequence[ChartPoint]) -> Iterator[tuple[tuple[float, int], float | None]]:
    """``y`` by ``x``, and which of those with the same ``x`` it is."""
    times: Counter[float] = Counter()
    for point in points:
        yield (point.x, times[point.x]), point.y
        times[point.x] += 1


def _brief(point: Mapping[str, object]) -> dict[str, object]:
    unusual = {key: value for key, value in point.items() if value not in (None, "")}
    return {key: value for key, value in unusual.items() if value is not False}
