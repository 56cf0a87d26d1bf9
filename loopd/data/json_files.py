"""Owns reading JSON Lines files; must not judge what the objects hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from loopd.data.columns import missing_column
from loopd.data.json_arrays import array_source, is_array
from loopd.data.source import Source, SourceRow, first_rows
from loopd.data.text_files import opened, whole
from loopd.errors import DataError

MOST_KEYS = 200
"""How many different keys are remembered, to say which there are."""


def json_source(path: Path) -> Source:
    """A file with one JSON object on each line; empty lines are passed over. Or one array of them.

    Raises:
        DataError: unreadable, or one of the first lines is not a JSON object.
    """
    if is_array(path):
        return array_source(path)
    read = partial(_rows, path)
    head = first_rows(read(None))
    columns = tuple(dict.fromkeys(key for row in head for key in row.cells))
    return Source(path.name, "line", columns, head, (), read)


def _rows(path: Path, names: Collection[str] | None) -> Iterator[SourceRow]:
    with opened(path) as file, whole(path):
        yield from _objects(file, path.name, names or ())


def _objects(file: IO[str], name: str, names: Collection[str]) -> Iterator[SourceRow]:
    seen: dict[str, None] = {}
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        item = _parse(line, name, number)
        if len(seen) < MOST_KEYS and not seen.keys() >= item.keys():
            seen.update(dict.fromkeys(item))
        yield SourceRow(number, item)
    for column in names:
        if seen and column not in seen:
            raise missing_column(column, seen, name)


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
