"""Owns which column of a table says who answered; opens nothing."""

from __future__ import annotations

from collections.abc import Iterable

from loopd.data.cells import plain
from loopd.data.columns import listing
from loopd.data.formats.contract import Request, values
from loopd.data.formats.words import ANNOTATOR_KEYS, PERSON_KEYS, key_of
from loopd.data.source import Source
from loopd.errors import DataError


def annotator_column(source: Source, request: Request) -> str | None:
    """The column of who answered, ``None`` where there is none.

    Raises:
        DataError: it may be who answered or who wrote the text; or a long table has none.
    """
    if request.annotator_column is not None or not request.answers:
        return request.annotator_column
    if request.format in ("plain", "wide", "one_hot"):
        return None
    sure = _first(source, ANNOTATOR_KEYS, request)
    if sure is not None:
        return sure
    doubtful = _first(source, PERSON_KEYS, request)
    if request.format == "long":
        return _required(doubtful, source, request)
    if doubtful is not None and _repeats_with_people(source, doubtful, request):
        raise _doubt(doubtful, source, request)
    return None


def _first(source: Source, keys: Iterable[str], request: Request) -> str | None:
    names = {key_of(name): name for name in reversed(source.columns)}
    columns = [names[key] for key in keys if key in names and names[key] not in request.named]
    # The first rows may be nobody's.
    filled = (column for column in columns if values(source, column))
    return next(filled, columns[0] if columns else None)


def _repeats_with_people(source: Source, column: str, request: Request) -> bool:
    """Whether a text stands on rows of several people, and on no two of one person."""
    pairs = [
        (plain(request.text_cell(row.cells)), plain(row.cells.get(column)))
        for row in source.head
        if not row.broken
    ]
    return len(set(pairs)) == len(pairs) > len({text for text, _ in pairs})


def _required(column: str | None, source: Source, request: Request) -> str:
    if column is None:
        raise DataError(
            f"{source.name}: no column is called as if it said who answered; it has "
            f"{listing(source.columns)}",
            f"name it in `{request.section}.annotator_column`",
        )
    return column


def _doubt(column: str, source: Source, request: Request) -> DataError:
    return DataError(
        f"{source.name}: texts stand on several rows, and column {column!r} could say who answered "
        "or who wrote the text",
        f"set `{request.section}.annotator_column: {column}`, or `{request.section}.format: plain` "
        "if it is the author",
    )
