"""Owns what Argilla 1 and Rubrix export: classification, tokens, feedback; must not open files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loopd.data.cells import plain
from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import latest, person, verdict_of
from loopd.data.source import RawAnswer, Source, Verdict

ANNOTATION = "annotation"

SUGGESTION = "-suggestion"

_STATUSES = frozenset(("validated", "default", "discarded", "edited"))


def _recognises(source: Source, request: Request) -> bool:
    del request
    return _is_classification(source) or any(_is_feedback(source, name) for name in source.columns)


def _is_classification(source: Source) -> bool:
    if ANNOTATION not in source.columns:
        return False
    statuses = {plain(cell).strip().casefold() for cell in values(source, "status")}
    told = bool(statuses) and statuses <= _STATUSES
    return told or "annotation_agent" in source.columns


def _is_feedback(source: Source, name: str) -> bool:
    """Whether a column holds responses: at least one with a value and a status, and no other."""
    cells = [literal(cell) for cell in values(source, name)]
    filled = [cell for cell in cells if cell not in ([], ())]
    return bool(filled) and all(_is_responses(cell) for cell in filled)


def _is_responses(cell: object) -> bool:
    if isinstance(cell, Mapping):  # an object of lists, as some releases of `datasets` load it
        return _is_response(cell) and isinstance(cell["value"], (list, tuple))
    if not isinstance(cell, (list, tuple)) or not cell:
        return False
    return all(isinstance(response, Mapping) and _is_response(response) for response in cell)


def _is_response(cell: Mapping[str, object]) -> bool:
    return {"value", "status"} <= cell.keys() <= {"value", "status", "user_id"}


def _read(cells: Mapping[str, object], request: Request) -> Item:
    del request
    return _classified(cells) if ANNOTATION in cells else _feedback(cells)


# -- text and token classification -----------------------------------------------------------------


def _classified(cells: Mapping[str, object]) -> Item:
    fields = {name: cell for name, cell in cells.items() if name not in (ANNOTATION, "prediction")}
    text = cells.get("text")
    inputs = literal(cells.get("inputs"))
    if isinstance(inputs, Mapping):
        fields = {**fields, **inputs}
        text = text or inputs.get("text") or next(iter(inputs.values()), None)
    fields["text"] = text or (inputs if isinstance(inputs, str) else text)
    return Item(fields, {ANNOTATION: tuple(_annotation(cells))})


def _annotation(cells: Mapping[str, object]) -> Iterator[RawAnswer]:
    value = cells[ANNOTATION]
    # Old exports have no status; one that nobody can read does not let an answer count.
    stated = verdict_of(cells.get("status")) or Verdict.PENDING
    verdict = stated if "status" in cells else Verdict.SUBMITTED
    if isinstance(value, (list, tuple, Mapping)) or plain(value).strip():
        yield RawAnswer(person(cells.get("annotation_agent")), value, verdict, latest(cells))


# -- feedback --------------------------------------------------------------------------------------


def _feedback(cells: Mapping[str, object]) -> Item:
    parsed = {name: literal(cell) for name, cell in cells.items()}
    names = [name for name, cell in parsed.items() if _is_responses(cell)]
    names += [name for name in parsed if f"{name}{SUGGESTION}" in parsed and name not in names]
    questions = {name: tuple(_responses(parsed[name])) for name in names}
    fields = {name: cell for name, cell in cells.items() if name not in names}
    return Item({name: cell for name, cell in fields.items() if not _suggests(name)}, questions)


def _suggests(name: str) -> bool:
    return name.endswith((SUGGESTION, f"{SUGGESTION}-metadata"))


def _responses(cell: object) -> Iterator[RawAnswer]:
    if isinstance(cell, Mapping):
        keys = [key for key in ("user_id", "value", "status") if isinstance(cell.get(key), list)]
        columns = [cell[key] for key in keys]
        cell = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=False)]
    for response in cell if isinstance(cell, (list, tuple)) else ():
        if isinstance(response, Mapping):
            verdict = verdict_of(response.get("status")) or Verdict.PENDING
            yield RawAnswer(person(response.get("user_id")), response.get("value"), verdict)


ARGILLA1 = Tool(
    name="argilla1",
    title="Argilla 1",
    recognises=_recognises,
    read=_read,
    aliases=("label", "responses"),
).format()
