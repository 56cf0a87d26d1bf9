"""Owns what doccano exports: classification and spans, of all its releases; must not open files.

An empty list says that nobody has labelled the text, unless somebody has approved it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import ANNOTATOR_KEYS, first_key, person
from loopd.data.source import RawAnswer, Source

QUESTION = "label"

LISTS = ("label", "labels", "cats", "entities", "annotations")
"""What the releases call the column of labels."""

COMMENTS = "Comments"

APPROVER = "annotation_approver"

JOINT = "#"
"""Stands between several labels of a text in a CSV file."""


def _recognises(source: Source, request: Request) -> bool:
    del request
    columns = set(source.columns)
    if columns & set(LISTS) and (APPROVER in columns or _has_comments(source)):
        return True
    return _all(source, "entities", "start_offset") or _all(source, "annotations", "user", "label")


def _has_comments(source: Source) -> bool:
    """Whether the comments are doccano's: a list, or text beside labels as it writes them."""
    if COMMENTS not in source.columns:
        return False
    if any(isinstance(row.cells.get(COMMENTS), (list, tuple)) for row in source.head):
        return True
    cells = [cell for name in LISTS for cell in values(source, name)]
    return all(isinstance(cell, str) and not set("[{|;") & set(cell) for cell in cells)


def _all(source: Source, column: str, *keys: str) -> bool:
    """Whether a column holds lists of objects with these keys, and doccano's own ones at that."""
    lists = [literal(cell) for cell in values(source, column)]
    objects = [annotation for cell in lists if isinstance(cell, list) for annotation in cell]
    usual = {"id", "prob", "document", "example", "start_offset", "end_offset", "label", "user"}
    return bool(objects) and all(
        isinstance(annotation, Mapping)
        and set(keys) <= annotation.keys()
        and annotation.keys() <= usual | {"manual", "uuid", "created_at", "updated_at"}
        and bool(annotation.keys() & {"document", "example", "start_offset", "prob", "manual"})
        for annotation in objects
    )


def _read(cells: Mapping[str, object], request: Request) -> Item:
    fields = {name: cell for name, cell in cells.items() if name not in LISTS}
    if "text" not in fields and "data" in fields:
        fields["text"] = fields["data"]
    return Item(fields, {QUESTION: tuple(_answers(cells, request))})


def _answers(cells: Mapping[str, object], request: Request) -> Iterator[RawAnswer]:
    approver = person(cells.get(APPROVER))
    value = literal(_cell(cells, request))
    if isinstance(value, str):
        value = _split(value, request)
    if _has_users(value):
        yield from _by_user(value, request)
    elif value or (approver and value is not None):
        key = first_key(cells, ANNOTATOR_KEYS)  # joined to the file by somebody
        yield RawAnswer("" if key is None else person(cells[key]), value)


def _cell(cells: Mapping[str, object], request: Request) -> object:
    """The column of the kind that the task is of, where there are two."""
    first = ("entities",) if request.kind == "spans" else ("cats",)
    names = (*first, *LISTS)
    return next((cells[name] for name in names if cells.get(name) is not None), None)


def _split(value: str, request: Request) -> list[str]:
    """The labels of a cell of text; one that is a label itself is not cut."""
    whole = value.strip()
    if whole in (request.labels or ()):
        return [whole]
    return [name for name in whole.split(JOINT) if name.strip()]


# -- older releases: an object for each label ------------------------------------------------------


def _has_users(value: object) -> bool:
    return isinstance(value, list) and any(
        isinstance(annotation, Mapping) and annotation.get("user") is not None
        for annotation in value
    )


def _by_user(value: object, request: Request) -> Iterator[RawAnswer]:
    by_person: dict[str, list[object]] = {}
    for annotation in value if isinstance(value, list) else ():
        if isinstance(annotation, Mapping):
            by_person.setdefault(person(annotation.get("user")), []).append(
                _one(annotation, request)
            )
    for who, labels in by_person.items():
        trouble = next((label for label in labels if isinstance(label, Unusable)), None)
        yield RawAnswer(who, labels if trouble is None else trouble)


def _one(annotation: Mapping[str, object], request: Request) -> object:
    label = annotation.get("label")
    if isinstance(label, int) and plain(label) not in (request.labels or (plain(label),)):
        return Unusable(f"label {label} is doccano's number of a label, not its name")
    return annotation if request.kind == "spans" else label


DOCCANO = Tool(
    name="doccano",
    title="doccano",
    recognises=_recognises,
    read=_read,
    aliases=LISTS,
).format()
