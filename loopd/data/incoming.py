"""Owns a table as it came in: all its columns, every row once, and which text a row holds.

What a pool leaves out is here all the same, with the reason; must not write or label anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from loopd.config import PoolSection
from loopd.data.cells import plain
from loopd.data.columns import columns_of, request_of, require
from loopd.data.formats.registry import format_of
from loopd.data.pool import Pool
from loopd.data.reading import open_source
from loopd.data.source import HEAD, ParsedRow, Source, SourceRow
from loopd.data.tokens import token_rows
from loopd.data.usable import id_trouble, text_in, text_trouble
from loopd.errors import DataError
from loopd.records import Record

WITHDRAWN = "the text was withdrawn from the run"
"""Why a row gets no label."""


class Line(NamedTuple):
    """What one row of a table is to a run.

    Attributes:
        number: of its line or row in the source.
        text: as a record has it; empty where the row cannot be used.
        reason: why it cannot be used; empty where it can.
    """

    number: int
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A table that is read a second time when it goes out.

    Attributes:
        source: the opened file or data set.
        columns: names in order; two may be the same.
        lines: what each row is, in order.
    """

    source: Source
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    def rows(self) -> Iterator[tuple[Line, tuple[object, ...]]]:
        """Each line with its cells, as many as there are columns.

        Raises:
            DataError: the source has changed since.
        """
        changed = DataError(
            f"{self.source.name} changed while it was read", "run the command again"
        )
        lines = iter(self.lines)
        for row in self.source.read(None):
            line = next(lines, None)
            if line is None or line.number != row.number:
                raise changed
            yield line, self._cells(row)
        if next(lines, None) is not None:
            raise changed

    def _cells(self, row: SourceRow) -> tuple[object, ...]:
        width = len(self.columns)
        if not row.values:
            return tuple(row.cells.get(name) for name in self.columns)
        return (*row.values[:width], *[None] * (width - len(row.values)))


def incoming(section: PoolSection, kind: str, labels: tuple[str, ...]) -> Incoming:
    """The table that a pool is read from, or another one like it.

    Labels and answers in it are columns as all others. A column of ids that is not there is none.

    Args:
        section: where it is and how its columns are called.
        kind: of the task.
        labels: of the task.

    Raises:
        DataError: it cannot be read, or lacks a column of the texts.
    """
    return _told(open_source(section, kind, "pool.encoding"), section, kind, labels)


def of_columns(
    columns: Mapping[str, Sequence[object]],
    section: PoolSection,
    kind: str,
    labels: tuple[str, ...],
) -> Incoming:
    """A table in memory, read like the pool of a section; its columns are of one length.

    Raises:
        DataError: it lacks a column of the texts.
    """
    rows = tuple(
        SourceRow(number, dict(zip(columns, cells, strict=True)), values=cells)
        for number, cells in enumerate(zip(*columns.values(), strict=True), start=1)
    )
    names = tuple(columns)
    require(section.text_columns, names, "the table")
    source = Source("the table", "row", names, rows[:HEAD], (), lambda _: iter(rows))
    return _told(source, section.model_copy(update={"format": "plain"}), kind, labels)


def with_others(table: Incoming, pool: Pool, section: PoolSection) -> Incoming:
    """The table, and behind its rows those texts of a pool that it lacks, with their ids."""
    shown = {line.text for line in table.lines}
    others = [record for record in pool if record.text and record.text not in shown]
    if not others:
        return table
    first = table.lines[-1].number + 1 if table.lines else 1
    numbered = enumerate(others, first)
    more = [_row_of(record, number, table.columns, section) for number, record in numbered]
    read = table.source.read
    source = replace(table.source, read=lambda names: chain(read(names), more))
    lines = (Line(row.number, record.text) for row, record in zip(more, others, strict=True))
    return Incoming(source, table.columns, (*table.lines, *lines))


def without(table: Incoming, is_withdrawn: Callable[[str], bool]) -> Incoming:
    """The table, in which rows of texts that were withdrawn cannot be used."""
    lines = tuple(
        Line(line.number, "", WITHDRAWN) if line.text and is_withdrawn(line.text) else line
        for line in table.lines
    )
    return replace(table, lines=lines)


def _row_of(record: Record, number: int, columns: Sequence[str], section: PoolSection) -> SourceRow:
    cells: dict[str, object] = {section.text_columns[0]: record.text, **dict(record.parts)}
    cells |= {name: cell for name, cell in record.shown if name in columns}
    if section.id is not None:
        cells[section.id] = record.id
    return SourceRow(number, cells, values=tuple(cells.get(name) for name in columns))


def another(section: PoolSection, path: Path | None = None) -> PoolSection:
    """The section of another table with the same columns of texts: nothing else of it is read."""
    without = ("hub", "hub_config", "split", "url", "argilla", "label", "answers", "id", "encoding")
    columns = ("annotator_column", "verdict_column")
    changes = dict.fromkeys((*without, *columns))
    return section.model_copy(update={**changes, "path": path, "format": "auto", "show": {}})


def _told(source: Source, section: PoolSection, kind: str, labels: tuple[str, ...]) -> Incoming:
    names = dict.fromkeys(source.columns)
    request = request_of(
        section, columns_of(section, None), labels=labels, kind=kind, is_test=False
    )
    form = format_of(source, request)
    bare = replace(
        request, label=(), answers=(), annotator_column=None, verdict_column=None, show=()
    )
    has_ids = request.id is None or request.id in names
    bare = bare if has_ids else replace(bare, id=None)
    rows = form.rows(_whole(source, names), bare)
    rows = token_rows(rows, source.name, source.unit) if kind == "spans" else rows
    lines = tuple(_line(row, is_named=bare.id is not None) for row in rows)
    shown = source.columns if len(names) < len(source.columns) else tuple(names)
    return Incoming(source, shown, _with_overflow(source, len(shown), lines))


def of_pool(pool: Pool) -> Incoming:
    """The table that a pool in Argilla amounts to: ids and texts."""

    records = [record for record in pool if record.text]

    def read(names: Collection[str] | None) -> Iterator[SourceRow]:
        del names
        for number, record in enumerate(records, start=1):
            yield SourceRow(number, {"id": record.id, "text": record.text})

    lines = tuple(Line(number, record.text) for number, record in enumerate(records, start=1))
    source = Source("the pool", "record", ("id", "text"), (), (), read)
    return Incoming(source, source.columns, lines)


def _whole(source: Source, seen: dict[str, None]) -> Source:
    """The source, which gives all columns whatever is read; their names are noted as they pass."""
    is_table = bool(source.head) and bool(source.head[0].values)

    def read(names: Collection[str] | None) -> Iterator[SourceRow]:
        if is_table:
            require(names or (), source.columns, source.name)
        for row in source.read(None):
            if not is_table and not seen.keys() >= row.cells.keys():
                seen.update(dict.fromkeys(row.cells))
            yield row
        if not is_table and seen:
            require(names or (), seen, source.name)

    return replace(source, read=read)


def _line(row: ParsedRow, *, is_named: bool) -> Line:
    text = text_in(row)
    trouble = text_trouble(row, text)
    if trouble is not None:
        return Line(row.number, "", trouble[1] or "there is no text")
    reason = id_trouble(plain(row.id)) if is_named else None
    return Line(row.number, "", reason) if reason else Line(row.number, text)


def _with_overflow(source: Source, width: int, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Lines whose reason names the cells that are too many for the columns."""
    if not any(line.reason for line in lines):
        return lines
    extra = {
        row.number: ", ".join(repr(plain(cell)) for cell in row.values[width:])
        for row in source.read(None)
        if any(cell not in (None, "") for cell in row.values[width:])
    }
    return tuple(
        line._replace(reason=f"{line.reason}: {extra[line.number]}")
        if line.number in extra
        else line
        for line in lines
    )
