"""Owns reading CSV files; must not judge what the cells hold."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import IO

from loopd.data.columns import require
from loopd.data.source import Source, SourceRow, first_rows
from loopd.data.text_files import opened, whole
from loopd.errors import DataError

FIELD_LIMIT = 2**31 - 1
"""Longest CSV cell in characters: over-long texts are refused later, not a reason to end."""

DELIMITERS = (",", "\t", ";", "|")


def csv_source(path: Path, text: str) -> Source:
    """A CSV file with a header; comma, tab, semicolon or bar between the cells.

    Args:
        path: the file.
        text: name of the column of texts, which tells the delimiter.

    Raises:
        DataError: unreadable or empty.
    """
    with opened(path) as file, whole(path):
        header_line = next(file, "")
    delimiter = _delimiter(header_line, text)
    read = partial(_rows, path, delimiter)
    header = _header(path, delimiter)
    return Source(path.name, "line", header, first_rows(read(None)), (), read)


def _header(path: Path, delimiter: str) -> tuple[str, ...]:
    with opened(path) as file, whole(path):
        return tuple(_first(_reader(file, delimiter), path.name))


def _rows(path: Path, delimiter: str, names: Collection[str] | None) -> Iterator[SourceRow]:
    with opened(path) as file, whole(path):
        reader = _reader(file, delimiter)
        header = _first(reader, path.name)
        if names is not None:
            require(names, header, path.name)
        try:
            yield from _cells(reader, header, names)
        except csv.Error as error:
            raise _no_csv(reader, path.name, error) from None


def _reader(file: IO[str], delimiter: str) -> Iterator[list[str]]:
    # The limit belongs to the csv module as a whole; there is no other way to lift it.
    csv.field_size_limit(FIELD_LIMIT)
    # Older csv modules stop at a NUL; as a lone surrogate it only gets its row refused.
    lines = (line.replace("\0", "\udc00") for line in file)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _first(reader: Iterator[list[str]], name: str) -> list[str]:
    """The names of the columns."""
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise _no_csv(reader, name, error) from None
    if not header:
        raise DataError(f"{name} is empty", "the first line must name the columns")
    return header


def _no_csv(reader: object, name: str, error: csv.Error) -> DataError:
    hint = 'a quote inside a quoted cell is written twice ("")'
    return DataError(f"{name}, line {_line(reader)}: not CSV: {error}", hint)


def _delimiter(header_line: str, text: str) -> str:
    """The first delimiter with which the header holds the text column; else that of most cells."""
    cells = {delimiter: _split(header_line, delimiter) for delimiter in DELIMITERS}
    for delimiter in DELIMITERS:
        if text in cells[delimiter]:
            return delimiter
    return max(DELIMITERS, key=lambda delimiter: len(cells[delimiter]))


def _split(header_line: str, delimiter: str) -> list[str]:
    # Not strict: a header cell may go on in the next line.
    return next(csv.reader([header_line], delimiter=delimiter), [])


def _cells(
    reader: Iterable[list[str]], header: list[str], names: Collection[str] | None
) -> Iterator[SourceRow]:
    width = len(header)
    columns = [name for name in header if names is None or name in names]
    places = [header.index(name) for name in columns]
    # One column alone would come without its tuple.
    pick = itemgetter(*places) if len(places) > 1 else None
    for cells in reader:
        if len(cells) != width:
            if not cells:
                continue
            if len(cells) < width or any(cells[width:]):
                reason = f"{len(cells)} cells where the header has {width}"
                yield SourceRow(_line(reader), {}, reason)
                continue
        values = pick(cells) if pick else [cells[place] for place in places]
        yield SourceRow(_line(reader), dict(zip(columns, values, strict=True)))


def _line(reader: object) -> int:
    return int(reader.line_num)  # type: ignore[attr-defined]
