"""Owns which column of a table says who answered; opens nothing."""

from __future__ import annotations

from collections.abc import Iterable

from loopd.data.cells import plain
from loopd.data.columns import listing
from loopd.data.formats.contract import Wanted, values
from loopd.data.formats.words import ANNOTATOR_KEYS, PERSON_KEYS
from loopd.data.source import Source
from loopd.errors import DataError


def annotator_column(source: Source, wanted: Wanted) -> str | None:
    """The column of who answered, ``None`` where there is none.

    Raises:
        DataError: it may be who answered or who wrote the text; or a long table has none.
    """
    if wanted.annotator_column is not None or not wanted.answers:
        return wanted.annotator_column
    if wanted.format in ("plain", "wide", "one_hot"):
        return None
    sure = _first(source, ANNOTATOR_KEYS, wanted)
    if sure is not None:
        return sure
    doubtful = _first(source, PERSON_KEYS, wanted)
    if wanted.format == "long":
        return _required(doubtful, source, wanted)
    if doubtful is not None and _repeats_with_people(source, doubtful, wanted):
        raise _doubt(doubtful, source, wanted)
    return None


def _first(source: Source, keys: Iterable[str], wanted: Wanted) -> str | None:
    names = {name.casefold(): name for name in reversed(source.columns)}
    columns = (names[key] for key in keys if key in names and names[key] not in wanted.named)
    return next((column for column in columns if values(source, column)), None)


def _repeats_with_people(source: Source, column: str, wanted: Wanted) -> bool:
    """Whether a text stands on rows of several people, and on no two of one person."""
    pairs = [
        (plain(row.cells.get(wanted.text)), plain(row.cells.get(column)))
        for row in source.head
        if not row.broken
    ]
    return len(set(pairs)) == len(pairs) > len({text for text, _ in pairs})


def _required(column: str | None, source: Source, wanted: Wanted) -> str:
    if column is None:
        raise DataError(
            f"{source.name}: no column is called as if it said who answered; it has "
            f"{listing(source.columns)}",
            f"name it in `{wanted.section}.annotator_column`",
        )
    return column


def _doubt(column: str, source: Source, wanted: Wanted) -> DataError:
    return DataError(
        f"{source.name}: texts stand on several rows, and column {column!r} could say who answered "
        "or who wrote the text",
        f"set `{wanted.section}.annotator_column: {column}`, or `{wanted.section}.format: plain` "
        "if it is the author",
    )
