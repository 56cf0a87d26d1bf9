"""Owns the list of formats, and which of them a source is; must not read cells itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loopd.data.cells import plain
from loopd.data.columns import listing
from loopd.data.formats.argilla1 import ARGILLA1
from loopd.data.formats.argilla2 import ARGILLA2
from loopd.data.formats.contract import Format, Request, values
from loopd.data.formats.doccano import DOCCANO
from loopd.data.formats.label_studio import LABEL_STUDIO
from loopd.data.formats.loopd_export import LOOPD
from loopd.data.formats.plain import rows, table_of
from loopd.data.formats.prodigy import PRODIGY
from loopd.data.source import Source
from loopd.errors import DataError

TOOLS = (ARGILLA2, ARGILLA1, PRODIGY, DOCCANO, LABEL_STUDIO, LOOPD)
"""What tools write; each is known by its columns."""


def _never(source: Source, request: Request) -> bool:
    """A table is whatever no tool wrote."""
    del source, request
    return False


def _labelled(source: Source, request: Request) -> tuple[str, ...]:
    """Columns that hold labels of the task and nothing else."""
    return tuple(name for name in source.columns if _holds_labels(source, name, request))


def _holds_labels(source: Source, name: str, request: Request) -> bool:
    if request.kind != "single_label" or not request.labels or name in request.named:
        return False
    cells = {plain(cell).strip() for cell in values(source, name) if not isinstance(cell, list)}
    return bool(cells) and cells <= set(request.labels)


TABLES = tuple(
    Format(name, title, _never, rows, _labelled)
    for name, title in (
        ("plain", "a table"),
        ("long", "a table with a row for each person"),
        ("wide", "a table with a column for each person"),
        ("one_hot", "a table of zeros and ones"),
    )
)

FORMATS: Mapping[str, Format] = {form.name: form for form in (*TOOLS, *TABLES)}


def format_of(source: Source, request: Request) -> Format:
    """The format of a source: the one that the configuration names, or the one that it must be.

    Raises:
        DataError: it could be several.
    """
    if request.format != "auto":
        return FORMATS[request.format]
    fitting = [form for form in TOOLS if form.recognises(source, request)]
    if len(fitting) > 1:
        titles = " or ".join(form.title for form in fitting)
        names = " or ".join(f"`{form.name}`" for form in fitting)
        raise DataError(
            f"{source.name}: the columns could be those of {titles}: {listing(source.columns)}",
            f"set `{request.section}.format` to {names}",
        )
    return fitting[0] if fitting else FORMATS["plain"]


def notes(source: Source, request: Request, form: Format) -> Iterator[str]:
    """What people should know about how a source is read."""
    if not request.answers and not request.label:
        yield from _unread(source, request, form)
    elif form not in TOOLS:
        yield from _of_table(source, request)
    elif remark := form.remark(source):
        yield remark


def _unread(source: Source, request: Request, form: Format) -> Iterator[str]:
    questions = form.questions(source, request)
    if not questions:
        return
    names = listing(questions)
    what = f"holds answers of {form.title} ({names})" if form in TOOLS else f"has labels in {names}"
    people = ", ".join(questions)
    wide = "" if form in TOOLS or len(questions) == 1 else f", or `answers: [{people}]` if they are"
    yield (
        f"{what} that are not read: write `answers: {questions[0]}`{wide and f'{wide} people'} "
        f"under `{request.section}` to begin with them, or `label: {questions[0]}` to compare with "
        "them only"
    )


def _of_table(source: Source, request: Request) -> Iterator[str]:
    table = table_of(source, request)
    if table.annotator is not None and request.annotator_column is None:
        yield f"column {table.annotator!r} says who answered"
    if table.verdict is not None and request.verdict_column is None:
        yield f"column {table.verdict!r} says which labels count"
    for column, verdict in table.own.items():
        yield f"column {verdict!r} says which labels of {column!r} count"
    if table.vectors and request.format == "auto":
        labels = listing(request.labels or ())
        yield f"zeros and ones are read in the order of task.labels: {labels}"
