"""Owns reading CSV and JSON Lines files, plain or gzipped; must not judge what the cells hold."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from loopd.data.columns import BROKEN, Columns, Row, missing_column
from loopd.errors import DataError

FIELD_LIMIT = 2**31 - 1
"""Longest CSV cell in characters: over-long texts are refused later, not a reason to end."""

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = (",", "\t", ";", "|")


def csv_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Rows of a CSV file with a header; comma, tab, semicolon or bar between the cells.

    Raises:
        DataError: unreadable, quotes that do not match, or a column is missing.
    """
    with opened(path) as file, whole(path):
        yield from _csv_rows(file, columns, path.name)


def jsonl_rows(path: Path, columns: Columns, *, judged: bool = False) -> Iterator[Row]:
    """Rows of a file with one JSON object on each line; empty lines are passed over.

    Args:
        path: the file.
        columns: keys of the objects.
        judged: whether an ``answer`` is meant as Prodigy means it: ``reject`` or ``ignore`` empties
            the cells of labels, and ``accept`` without ``spans`` says that there is none.

    Raises:
        DataError: unreadable, a line is not a JSON object, or a column is on no line.
    """
    with opened(path) as file, whole(path):
        yield from _jsonl_rows(file, columns, path.name, judged=judged)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turns what reading a damaged file raises into an error with its name.

    Raises:
        DataError: in place of the error inside.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is damaged: {error}", "is it complete?") from None


def opened(path: Path) -> IO[str]:
    """A text file, maybe gzipped; its line ends are left as they are.

    Raises:
        DataError: it cannot be opened, or it is UTF-16.
    """
    try:
        _refuse_utf16(path)
        # Bytes that are not UTF-8 become lone surrogates: their rows are refused, not the file.
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
        return path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _refuse_utf16(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(2) in UTF16_MARKS:
            raise DataError(f"{path.name} is UTF-16", "save it as UTF-8")


def _csv_rows(file: IO[str], columns: Columns, name: str) -> Iterator[Row]:
    # The limit belongs to the csv module as a whole; there is no other way to lift it.
    csv.field_size_limit(FIELD_LIMIT)
    # Older csv modules stop at a NUL; as a lone surrogate it only gets its row refused.
    lines = (line.replace("\0", "\udc00") for line in file)
    header_line = next(lines, "")
    delimiter = _delimiter(header_line, columns)
    reader = csv.reader(_chain(header_line, lines), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        if not header:
            raise DataError(f"{name} is empty", "the first line must name the columns")
        columns.require(header, name)
        yield from _cells(reader, header, columns)
    except csv.Error as error:
        hint = 'a quote inside a quoted cell is written twice ("")'
        raise DataError(f"{name}, line {reader.line_num}: not CSV: {error}", hint) from None


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header_line: str, columns: Columns) -> str:
    """The first delimiter with which the header holds the text column; else the comma."""
    for delimiter in DELIMITERS:
        # Not strict: a header cell may go on in the next line.
        if columns.text in next(csv.reader([header_line], delimiter=delimiter), []):
            return delimiter
    return ","


def _cells(reader: Iterable[list[str]], header: list[str], columns: Columns) -> Iterator[Row]:
    places = [None if name is None else header.index(name) for name in columns.names]
    text_at, others = places[0] or 0, places[1:]
    width = len(header)
    for cells in reader:
        if len(cells) != width:
            if not cells:
                continue
            if len(cells) < width or any(cells[width:]):
                reason = f"{len(cells)} cells where the header has {width}"
                yield _line(reader), BROKEN, reason, None, None
                continue
        identifier, label, answers = (None if at is None else cells[at] for at in others)
        yield _line(reader), cells[text_at], identifier, label, answers


def _line(reader: object) -> int:
    return int(reader.line_num)  # type: ignore[attr-defined]


def _jsonl_rows(file: IO[str], columns: Columns, name: str, *, judged: bool) -> Iterator[Row]:
    text, *others = columns.names
    seen: dict[str, None] = {}
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        item = _parse(line, name, number)
        answer = item.get("answer") if judged else None
        if answer == "accept" and item.get("spans") is None:
            item["spans"] = []
        if len(seen) < 200 and not seen.keys() >= item.keys():
            seen.update(dict.fromkeys(item))
        identifier, label, answers = (None if key is None else item.get(key) for key in others)
        if answer in ("reject", "ignore"):
            label = answers = None
        yield number, item.get(str(text)), identifier, label, answers
    for wanted in columns.wanted:
        if seen and wanted not in seen:
            raise missing_column(wanted, seen, name)


def _parse(line: str, name: str, number: int) -> dict[str, object]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", None) or str(error)
        raise DataError(
            f"{name}, line {number}: not JSON: {problem}", "each line must be one JSON object"
        ) from None
    if not isinstance(item, dict):
        kind = type(item).__name__
        raise DataError(
            f"{name}, line {number}: a {kind}, not an object", "each line must be one JSON object"
        )
    return item
