"""Owns the columns that are read from a data source and one row of them; must not open anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from loopd.config import DataSection
from loopd.errors import DataError

Row: TypeAlias = "tuple[int, object, object, object, object]"
"""Place in the source (line or row number, from 1), then the cells text, id, label and answers.

A cell is ``None`` where it is empty or where its column is not asked for. A text cell of
:data:`BROKEN` marks a row that cannot be read at all; the id cell then says why.
"""

BROKEN = object()

SHOWN = 12
"""How many names a message lists before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read; ``None`` where there is none."""

    text: str
    id: str | None = None
    label: str | None = None
    answers: str | None = None

    @property
    def names(self) -> tuple[str | None, ...]:
        """The names in the order of the cells of a row."""
        return self.text, self.id, self.label, self.answers

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names in the order of the cells of a row, without repeats."""
        return tuple(dict.fromkeys(name for name in self.names if name is not None))

    def require(self, present: Iterable[str], source: str) -> None:
        """Check that all wanted columns are there, each once.

        Raises:
            DataError: a column is missing or occurs twice.
        """
        names = list(present)
        for name in self.wanted:
            if name not in names:
                raise missing_column(name, names, source)
            if names.count(name) > 1:
                raise DataError(f"{source} has two columns {name!r}", "rename one of them")


@dataclass(frozen=True, slots=True)
class Source:
    """An opened data source.

    Attributes:
        name: how messages call it.
        unit: what a place counts, ``line`` or ``row``.
        rows: the rows in order, read as they are consumed.
    """

    name: str
    unit: str
    rows: Iterator[Row]


def columns_of(section: DataSection, gold_column: str | None) -> Columns:
    """The columns that the configuration names; ``gold_column`` replaces the label column."""
    return Columns(section.text, section.id, gold_column or section.label, section.answers)


def missing_column(name: str, present: Iterable[str], source: str) -> DataError:
    """The error for a column that is not there, with those that are and the nearest spelling."""
    names = list(present)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {match[0]!r}?" if match else "name the columns in the configuration"
    return DataError(f"{source} has no column {name!r}; it has {listing(names)}", hint)


def listing(names: Iterable[str]) -> str:
    """Names in quotes for a message, the first :data:`SHOWN` of them."""
    shown = [repr(name[:40]) for name in names]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more if shown else "no columns"
