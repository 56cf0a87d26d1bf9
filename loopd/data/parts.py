"""Owns what a text of several columns is, and what is shown beside it; must not judge cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loopd.config.task import INVISIBLE
from loopd.data.names import is_empty, plain

NamedTexts = tuple[tuple[str, str], ...]
"""Texts by the name of their column, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The cells of a text that has several parts.

    Attributes:
        cells: by the name of their column.
    """

    cells: tuple[tuple[str, object], ...]

    @property
    def texts(self) -> NamedTexts:
        """The parts in which there is something."""
        return tuple((name, plain(cell)) for name, cell in self.cells if not is_empty(cell))

    def __str__(self) -> str:
        return joined(self.texts)


def joined(parts: Iterable[tuple[str, str]]) -> str:
    """One text of several parts, each on a line of its own behind its name.

    A part in which there is nothing does not count; one of signs without width does, since runs
    know their texts by it.
    """
    return "\n".join(f"{name}: {text}" for name, text in parts if not is_empty(text))


def is_blank(cell: object) -> bool:
    """Whether nothing can be seen of a cell: it is empty, or holds signs without width alone."""
    if is_empty(cell):
        return True
    return isinstance(cell, str) and all(sign.isspace() or sign in INVISIBLE for sign in cell)


def shown_texts(cells: Iterable[tuple[str, object]]) -> NamedTexts:
    """What people see of columns that are no texts; empty cells are left out.

    Anything can be shown: nested values as JSON, and signs that nothing stores as question marks.
    """
    written = ((name, _written(cell)) for name, cell in cells if not is_empty(cell))
    return tuple((name, text) for name, text in written if text.strip())


def _written(cell: object) -> str:
    nested = isinstance(cell, (list, tuple, Mapping))
    text = json.dumps(cell, ensure_ascii=False, default=str) if nested else plain(cell)
    return text.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")
