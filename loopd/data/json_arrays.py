"""Owns files that are one JSON array of objects; must not judge what the objects hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from loopd.data.columns import require
from loopd.data.source import HEAD, Source, SourceRow
from loopd.data.text_files import opened, whole
from loopd.errors import DataError

_OPENING = "[{"


def is_array(path: Path) -> bool:
    """Whether a file begins as an array of objects does.

    Raises:
        DataError: it cannot be read.
    """
    with opened(path) as file, whole(path):
        signs = (sign for line in file for sign in line if not sign.isspace())
        return "".join(islice(signs, len(_OPENING))) == _OPENING


def array_source(path: Path) -> Source:
    """A file that is one array; a row is an object of it, the first is 1.

    Raises:
        DataError: unreadable, no JSON, or an element is no object.
    """
    rows = _rows(path)
    columns = tuple(dict.fromkeys(key for row in rows[:HEAD] for key in row.cells))
    return Source(path.name, "row", columns, rows[:HEAD], (), partial(_read, rows, path.name))


def _rows(path: Path) -> tuple[SourceRow, ...]:
    with opened(path) as file, whole(path):
        text = file.read()
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", None) or str(error)
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(
            f"{path.name}{line}: not JSON: {problem}",
            "the file begins as an array, so all of it must be one array of objects",
        ) from None
    return tuple(_row(number, item, path.name) for number, item in enumerate(items, start=1))


def _row(number: int, item: object, name: str) -> SourceRow:
    if not isinstance(item, dict):
        raise DataError(
            f"{name}, row {number}: a {type(item).__name__}, not an object",
            "each element of the array must be an object",
        )
    return SourceRow(number, item)


def _read(
    rows: Sequence[SourceRow], name: str, columns: Collection[str] | None
) -> Iterator[SourceRow]:
    if columns is not None and rows:
        require(columns, dict.fromkeys(key for row in rows for key in row.cells), name)
    yield from rows
