"""Owns what a row is on its way from a file to the pool; must not open files or judge cells.

An opened source gives rows as the file has them (:class:`SourceRow`); a format turns those into
rows as the collector takes them (:class:`ParsedRow`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import NamedTuple

HEAD = 200
"""How many rows are looked at to tell what a source is."""


class SourceRow(NamedTuple):
    """One row as the file has it.

    Attributes:
        number: line or row number in the source, from 1.
        cells: by column name; class numbers of ``datasets`` are names already; nested JSON stays
            nested.
        broken: why the row cannot be read at all; empty otherwise.
        remark: what looks wrong although it could be read; empty otherwise.
        values: of a table all cells in order, those of a broken row too, where all columns are
            read: two columns may have one name. Empty for JSON and data sets, whose names differ.
    """

    number: int
    cells: Mapping[str, object]
    broken: str = ""
    remark: str = ""
    values: tuple[object, ...] = ()


@dataclass(frozen=True)
class Source:
    """An opened source of rows.

    Attributes:
        name: how messages call it.
        unit: what a number counts, ``line`` or ``row``.
        columns: names in order; of JSON the keys of the first rows.
        head: the first :data:`HEAD` rows at most.
        notes: what opening it had to assume, for people.
        read: all rows from the first; only these columns where some are named. A column that is
            not there is a ``DataError``: at once in a table, after the last row in JSON, whose
            rows always hold all their keys.
        written_by: the tool whose export it is; empty for a table.
    """

    name: str
    unit: str
    columns: tuple[str, ...]
    head: tuple[SourceRow, ...]
    notes: tuple[str, ...]
    read: Callable[[Collection[str] | None], Iterator[SourceRow]]
    written_by: str = ""


class Verdict(str, Enum):
    """What was decided about an answer; only one that was submitted is an answer."""

    SUBMITTED = "submitted"
    REJECTED = "rejected"
    IGNORED = "ignored"
    DISCARDED = "discarded"
    DRAFT = "draft"
    CANCELLED = "cancelled"
    PENDING = "pending"
    """Nobody can tell whether it was submitted."""
    DISPUTED = "disputed"
    """Of a known label: people answered differently, and no answer has more than half of them."""


class RawAnswer(NamedTuple):
    """One answer as a file has it.

    Attributes:
        annotator: who gave it; empty: ``pool.annotator``.
        value: a cell, see ``cells.py``; an ``Unusable`` where it cannot be read.
        verdict: what was decided about it.
        time: when it was given, in seconds since 1970; ``None`` where the file does not say.
    """

    annotator: str
    value: object
    verdict: Verdict = Verdict.SUBMITTED
    time: float | None = None


class ParsedRow(NamedTuple):
    """One row as the collector takes it.

    Attributes:
        number: line or row number in the source, from 1.
        text: cell of the text; a ``Parts`` where it has several.
        id: cell of the id; ``None`` where no column is named.
        label: cell of the known label; an ``Unusable`` where it cannot be read, with a verdict
            where there is one that does not count.
        answers: what people answered.
        broken: why the row cannot be read at all; empty otherwise.
        shown: cells that people see beside the text, by their column.
    """

    number: int
    text: object
    id: object
    label: object
    answers: tuple[RawAnswer, ...] = ()
    broken: str = ""
    shown: tuple[tuple[str, object], ...] = ()


def first_rows(rows: Iterable[SourceRow]) -> tuple[SourceRow, ...]:
    """The first :data:`HEAD` rows; the rest is not read."""
    return tuple(islice(rows, HEAD))
