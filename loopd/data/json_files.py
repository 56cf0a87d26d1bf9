"""Owns reading files of JSON: a record on each line, or one array; must not judge the records."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import IO

from loopd.data.columns import listing, missing_column
from loopd.data.source import Source, SourceRow, first_rows
from loopd.data.text_files import TextFile
from loopd.errors import DataError

Reader = Callable[[Collection[str] | None], Iterator[SourceRow]]

MOST_KEYS = 200
"""How many different keys are remembered, to say which there are."""

ONE_OBJECT = "each line must be one JSON object, or the file one array of them"


def json_source(file: TextFile, text: str) -> Source:
    """A file of JSON objects.

    One on each line, where empty lines are passed over; or an array of them; or one object, one of
    whose lists holds them.

    Args:
        file: the file.
        text: key of the texts, which tells a record from an object that holds records.

    Raises:
        DataError: unreadable, or it begins with something else.
    """
    with file.opened() as lines:
        whole = _is_one(lines, text)
    if not whole:
        return _source(file, "line", partial(_lines, file))
    items, notes = _items(file, text)
    return _source(file, "row", partial(_listed, items, file.name), notes)


def _source(file: TextFile, unit: str, read: Reader, notes: tuple[str, ...] = ()) -> Source:
    head = first_rows(read(None))
    columns = tuple(dict.fromkeys(key for row in head for key in row.cells))
    return Source(file.name, unit, columns, head, (*file.encoding.notes, *notes), read)


# -- one array -------------------------------------------------------------------------------------


def _is_one(lines: IO[str], text: str) -> bool:
    """Whether a file is one value: an array, or an object that is no record of its own."""
    first = next((line for line in lines if line.strip()), "").lstrip()
    if not first.startswith(("[", "{")):
        return False
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return first.startswith("[") or first.strip() == "{"
    if any(line.strip() for line in lines):
        return False
    return isinstance(value, list) or (text not in value and bool(_lists(value, text)))


def _items(file: TextFile, text: str) -> tuple[list[object], tuple[str, ...]]:
    """The records of a file that is one value, and where they were."""
    with file.opened() as lines:
        try:
            value = json.load(lines)
        except (ValueError, RecursionError) as error:
            raise _not_json(file.name, getattr(error, "lineno", 1), error) from None
    if isinstance(value, list):
        return value, ()
    if text in value:
        return [value], ()
    lists = _lists(value, text)
    if len(lists) != 1:
        there = f"in {listing(lists)}" if lists else "in none of its keys"
        raise DataError(
            f"{file.name} is one object with lists of records {there}",
            "keep the list of the records alone, or write one record on each line",
        )
    return list(value[lists[0]]), (f"the records are those in {lists[0]!r}",)


def _lists(value: object, text: str) -> list[str]:
    """Keys of an object whose values are lists of records."""
    if not isinstance(value, dict):
        return []
    return [key for key, item in value.items() if _is_records(item, text)]


def _is_records(value: object, text: str) -> bool:
    """Whether these are objects with texts; a record may itself hold objects, as its answers."""
    if not isinstance(value, list) or not value:
        return False
    holders = {text, "data", "fields", "inputs"}
    return all(isinstance(item, dict) and not holders.isdisjoint(item) for item in value)


def _listed(
    items: Sequence[object], name: str, names: Collection[str] | None
) -> Iterator[SourceRow]:
    seen = _KeyCollector()
    for number, item in enumerate(items, start=1):
        yield SourceRow(number, seen.add(_object(item, f"{name}, row {number}")))
    seen.require(names or (), name)


# -- lines -----------------------------------------------------------------------------------------


def _lines(file: TextFile, names: Collection[str] | None) -> Iterator[SourceRow]:
    seen = _KeyCollector()
    with file.opened() as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield SourceRow(number, seen.add(_parse(line, file.name, number)))
    seen.require(names or (), file.name)


def _parse(line: str, name: str, number: int) -> dict[str, object]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _not_json(name, number, error) from None
    return _object(item, f"{name}, line {number}")


def _not_json(name: str, number: int, error: Exception) -> DataError:
    problem = getattr(error, "msg", None) or str(error)
    return DataError(f"{name}, line {number}: not JSON: {problem}", ONE_OBJECT)


def _object(item: object, where: str) -> dict[str, object]:
    if not isinstance(item, dict):
        raise DataError(f"{where}: a {type(item).__name__}, not an object", ONE_OBJECT)
    return item


class _KeyCollector:
    """The keys that objects have had so far."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def add(self, item: dict[str, object]) -> dict[str, object]:
        """Note the keys of an object, which is given back."""
        if len(self._seen) < MOST_KEYS and not self._seen.keys() >= item.keys():
            self._seen.update(dict.fromkeys(item))
        return item

    def require(self, names: Iterable[str], source: str) -> None:
        """Check that there was any object with each name.

        Raises:
            DataError: there was none with one of them.
        """
        for name in names:
            if self._seen and name not in self._seen:
                raise missing_column(name, self._seen, source)
