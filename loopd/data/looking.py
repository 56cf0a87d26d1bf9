"""Owns a look at a file of which nothing is known but where it is; must not guess what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from loopd.config import DataSection
from loopd.config.problems import problems
from loopd.data.formats.contract import Request
from loopd.data.formats.registry import TOOLS
from loopd.data.names import is_empty, plain
from loopd.data.reading import open_source
from loopd.data.source import Source
from loopd.errors import DataError

_NO_COLUMN = "\0"
"""In the place of the column of texts, which nobody has named yet."""


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """What the first rows hold in a column.

    Attributes:
        name: of the column.
        rows: how many rows were looked at.
        values: the cells that are not empty, as text, in order; without objects of JSON.
        lists: whether any cell is a list.
    """

    name: str
    rows: int
    values: tuple[str, ...]
    lists: bool = False

    @property
    def is_full(self) -> bool:
        """Whether no cell is empty."""
        return len(self.values) == self.rows

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(set(self.values))

    @property
    def mean_length(self) -> float:
        """Characters of a value."""
        return sum(map(len, self.values)) / len(self.values) if self.values else 0.0


@dataclass(frozen=True, slots=True)
class FileLook:
    """An opened file.

    Attributes:
        name: how messages call it.
        columns: what the first rows hold.
        written_by: the annotation tools whose export it may be.
        notes: what opening it had to assume.
    """

    name: str
    columns: tuple[ColumnLook, ...]
    written_by: tuple[str, ...]
    notes: tuple[str, ...]
    _source: Source

    def column(self, name: str) -> ColumnLook | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def counts(self, name: str) -> Counter[str]:
        """How often each value occurs in the whole column; of a list each of its parts."""
        counts: Counter[str] = Counter()
        for row in self._source.read({name}):
            counts.update(_parts(row.cells.get(name)))
        return counts


def look_at(path: Path, *, text: str | None = None, encoding: str | None = None) -> FileLook:
    """Open a file and look at its first rows.

    Args:
        path: a file or folder that a pool may be.
        text: name of the column of texts, where somebody has said it.
        encoding: of a text file, where somebody has said it.

    Raises:
        DataError: it is not there, or cannot be read as anything.
    """
    source = open_source(_section(path, text or _NO_COLUMN, encoding))
    if not source.head:
        raise DataError(f"{source.name} has no rows", "is it the right file?")
    request = Request("pool", "single_label", None, text or _NO_COLUMN)
    tools = tuple(form.name for form in TOOLS if form.recognises(source, request))
    names = tuple(dict.fromkeys(source.columns))
    columns = tuple(_column(source, name) for name in names)
    return FileLook(source.name, columns, tools, source.notes, source)


def _section(path: Path, text: str, encoding: str | None) -> DataSection:
    try:
        return DataSection(path=path, text=text, encoding=encoding)
    except ValidationError as error:
        wrong = problems(DataSection, error)[0].sentence
        raise DataError(wrong, "correct --encoding or --text, or leave it out") from None


def _column(source: Source, name: str) -> ColumnLook:
    rows = [row for row in source.head if not row.broken]
    cells = [row.cells.get(name) for row in rows]
    filled = [cell for cell in cells if not is_empty(cell) and not isinstance(cell, dict)]
    lists = any(isinstance(cell, (list, tuple)) for cell in filled)
    return ColumnLook(name, len(rows), tuple(plain(cell) for cell in filled), lists)


def _parts(cell: object) -> Iterator[str]:
    for part in cell if isinstance(cell, (list, tuple)) else (cell,):
        if not is_empty(part):
            yield plain(part)
