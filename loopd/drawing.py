"""Owns what all pictures share: colours, legends, the PNG; must not know what is drawn.

matplotlib is imported when a picture is drawn, and used without its global state (no pyplot), so
that any thread may draw.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinct for colour-blind people (2008, "Color Universal Design").
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

LONGEST_NAME = 26
"""Characters of a name in the legend."""


def new_figure(title: str, *, height: float, width: float = 8.0) -> Figure:
    """An empty figure with a heading; sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    figure.suptitle(plain(title, 90), x=0.02, ha="left", fontsize=13, parse_math=False)
    return figure


def png(figure: Figure, dpi: int = 130) -> bytes:
    """The figure as a PNG; ``dpi`` are dots for each inch of its size."""
    buffer = io.BytesIO()
    with _quietly():
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """The figure as a whole SVG document, its words as text that the reader's fonts draw."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    # No date: the same figure gives the same document.
    with _quietly(), rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


_PEN = threading.Lock()
"""One picture at a time: what warns, and matplotlib's settings, are the whole process's."""


@contextmanager
def _quietly() -> Iterator[None]:
    """A character that the font lacks is drawn as a box; that is no reason to fail."""
    with _PEN, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message=".*constrained_layout not applied.*")
        yield


def style(index: int) -> dict[str, Any]:
    """Colour and marker of the line number ``index``."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4,
    }


def legend(axes: Axes, lines: Sequence[Any], names: Sequence[str]) -> None:
    """A legend right of the panel that takes names as they are: no TeX, no hidden underscores."""
    drawn = axes.legend(
        lines, ["." for _ in names], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False
    )
    for text, name in zip(drawn.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_fontsize(9)
        text.set_text(plain(name, LONGEST_NAME))


def plain(text: str, longest: int) -> str:
    """One printable line, cut in the middle of nowhere if it is too long."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(clean.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
