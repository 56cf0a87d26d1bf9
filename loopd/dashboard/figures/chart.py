"""Owns a chart as a piece of a page and as a picture; must not know what is drawn.

Charts are narrow and their letters large, so that they can be read on a telephone; they bring their
own white ground, so that they can be read on a dark page too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loopd.drawing import new_figure, plain, png, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.2
"""Inches; at 72 points an inch nearly as many points as a telephone has pixels."""

SHARP = 220
"""Dots per inch of a PNG."""

NOTE, GRID = "#444444", "#E4E4E4"
"""Colours of what is written under the heading, and of the lines behind the data."""

_REFERENCE = re.compile(r"url\(#([^)]+)\)")

_DROPPED = ("metadata", "style")
"""Parts of matplotlib's document: its rules of style would hold for the whole page."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        name: short name in ASCII, unique in a page; also that of the PNG.
        title: what it shows.
        summary: what it says, in words, for people who cannot see it; may hold what people typed.
        figure: matplotlib's.
    """

    name: str
    title: str
    summary: str
    figure: Figure

    def svg(self) -> str:
        """The chart as an ``<svg>`` element for a page: escaped, without script, id's its own."""
        root = ET.fromstring(svg(self.figure))  # noqa: S314 (matplotlib's, of our figure)
        _without_namespaces(root)
        _drop(root)
        _rename_ids(root, self.name)
        _describe(root, self)
        return ET.tostring(root, encoding="unicode")

    def png(self) -> bytes:
        """The chart as a PNG."""
        return png(self.figure, SHARP)


def new_chart(name: str, title: str, height: float) -> tuple[Figure, Axes]:
    """A figure with one panel, for a chart; height in inches."""
    figure = new_figure(title, height=height, width=WIDTH)
    axes = figure.subplots()
    axes.set_gid(name)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def note(axes: Axes, *lines: str) -> None:
    """Write lines under the heading; the text is taken as it is."""
    text = "\n".join(plain(line, 80) for line in lines)
    axes.set_title(text, loc="left", fontsize=9, color=NOTE, parse_math=False)


def brief(text: str, longest: int) -> str:
    """One printable line, cut in its middle if it is too long: labels often differ at the end."""
    line = plain(text, len(text) + 1)
    if len(line) <= longest:
        return line
    end = (longest - 1) // 2
    return f"{line[: longest - 1 - end]}…{line[len(line) - end :]}"


def _without_namespaces(root: ET.Element) -> None:
    """HTML knows svg without them; an element that stands alone gets its own again."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in [key for key in element.attrib if key.startswith("{")]:
            element.set(key.rpartition("}")[2], element.attrib.pop(key))
    root.set("xmlns", "http://www.w3.org/2000/svg")


def _drop(root: ET.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _DROPPED or (child.tag == "defs" and _is_bare(child)):
                parent.remove(child)


def _is_bare(definitions: ET.Element) -> bool:
    return all(child.tag == "style" for child in definitions)


def _rename_ids(root: ET.Element, name: str) -> None:
    """Let every id begin with the chart's name and drop those that nothing refers to."""
    used = {
        reference
        for element in root.iter()
        for key, value in element.attrib.items()
        for reference in ([value[1:]] if key == "href" else _REFERENCE.findall(value))
    }
    names: dict[str, str] = {}
    for element in root.iter():
        id_ = element.attrib.pop("id", None)
        if id_ is not None and id_ in used:
            names[id_] = f"{name}-{len(names)}"
            element.set("id", names[id_])
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "href":
                element.set(key, f"#{names[value[1:]]}")
            elif "url(#" in value:
                element.set(key, _REFERENCE.sub(lambda hit: f"url(#{names[hit[1]]})", value))


def _describe(root: ET.Element, chart: Chart) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)  # the page says how wide; `viewBox` keeps the proportions
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-labelledby", f"{chart.name}-title {chart.name}-summary")
    for index, (tag, text) in enumerate((("title", chart.title), ("desc", chart.summary))):
        child = ET.Element(tag, id=f"{chart.name}-{'summary' if index else 'title'}")
        child.text = plain(text, 2000)
        root.insert(index, child)
