"""Owns how tools write one answer down, made into a cell that ``cells.py`` reads; opens nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Request
from loopd.data.formats.literals import literal
from loopd.data.labels import Blank
from loopd.data.source import RawAnswer, Verdict

_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char")
_SPAN_LABELS = ("label", "labels", "entity", "entity_group", "type", "tag")

UNKNOWN = re.compile(r"-1(\.0*)?")
"""The number of a class that is not known, as ``datasets`` and pandas write it."""

_LISTS = ("choices", "labels", "label", "value", "name", "text")
"""Keys under which an object holds the list that an answer is."""


def answer_cell(value: object, request: Request) -> object:
    """The cell of an answer as a tool writes it.

    A list of one is the one where the task has one label, an object of choices is its list, spans
    come with any of the usual keys or as triples in either order, and -1 says that nobody knows.

    Returns:
        A cell; ``None`` where it is empty, a :class:`Blank` where it says that nobody knows, and
        an :class:`Unusable` where a task of one label has several.
    """
    if isinstance(value, (Unusable, Blank)):
        return value
    if not (isinstance(value, str) and value.strip() in (request.labels or ())):
        value = literal(value)
    if request.kind == "spans":
        return span_cells(value)
    names = _names(value)
    cell = _name(value, request.labels) if names is None else _list_cell(names, request)
    return Blank(value) if cell is None and value is not None else cell


def _list_cell(names: Sequence[object], request: Request) -> object:
    """The cell of a list of labels."""
    labels = [_name(entry, request.labels) for entry in names]
    if labels and all(label is None for label in labels):
        return None  # class numbers of which none says anything
    if request.kind == "multi_label":
        return labels
    if len(labels) > 1:
        return Unusable(f"{len(labels)} labels where the task takes one: {_listed(labels)}")
    return labels[0] if labels else None


def _name(value: object, labels: tuple[str, ...] | None) -> object:
    """A label, or what else there is; ``None`` for -1, which says that it is not known."""
    text = plain(value).strip()
    unknown = labels is not None and text not in labels and UNKNOWN.fullmatch(text)
    return None if unknown else value


def span_cells(value: object) -> object:
    """Spans as objects of start, end and label; something else as it is."""
    if isinstance(value, Mapping) and "choices" not in value:
        return [_span(value)] if _is_span(value) else value
    if not isinstance(value, (list, tuple)):
        return value
    return [_span(entry) for entry in value]


def agreed(answers: Sequence[RawAnswer]) -> object:
    """The known label that answers amount to.

    Returns:
        The value that more than half of those share that were submitted; ``None`` without any
        answer; an :class:`Unusable` with a verdict where none was submitted or none has more than
        half, and without one where what was submitted cannot be used.
    """
    if len(answers) == 1 and answers[0].verdict is Verdict.SUBMITTED:
        return answers[0].value
    cells = [entry.value for entry in answers if entry.verdict is Verdict.SUBMITTED]
    if not cells:
        return _withheld(answers[0].verdict) if answers else None
    said = [cell for cell in cells if not (cell is None or isinstance(cell, Blank))]
    votes = [sum(_same(cell, other) for other in said) for cell in said]
    if said and max(votes) * 2 > len(said):
        return said[votes.index(max(votes))]
    return _withheld(Verdict.DISPUTED) if said else cells[0]


def _withheld(verdict: Verdict) -> Unusable:
    return Unusable(f"the label was {verdict.value}", verdict=verdict)


def _same(one: object, other: object) -> bool:
    if isinstance(one, Unusable):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(_shown, one)) == sorted(map(_shown, other))
    return one == other


def _shown(cell: object) -> str:
    return cell.reason if isinstance(cell, Unusable) else plain(cell)


def _names(value: object) -> list[object] | None:
    """The list that an answer is, ``None`` where it is no list."""
    if isinstance(value, Mapping):
        key = next((key for key in _LISTS if key in value), None)
        return None if key is None else _names([value[key]])
    if not isinstance(value, (list, tuple)):
        return None
    names: list[object] = []
    for entry in value:
        inner = _names(entry) if isinstance(entry, (Mapping, list, tuple)) else None
        names += [entry] if inner is None else inner
    return names


def _span(value: object) -> object:
    if isinstance(value, Mapping):
        return _span_object(value)
    if isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str):
        label, start, end = value  # as Argilla 1 and spaCy's lists have it
        return {"start": start, "end": end, "label": label}
    return value


def _is_span(value: Mapping[str, object]) -> bool:
    """Whether an object is one span, and not one list for each of its parts."""
    keys = [_key(value, names) for names in (_STARTS, _ENDS, _SPAN_LABELS)]
    return None not in keys and not isinstance(value[keys[0] or ""], (list, tuple))


def _span_object(value: Mapping[str, object]) -> object:
    start, end, label = (_key(value, keys) for keys in (_STARTS, _ENDS, _SPAN_LABELS))
    if start is None or end is None or label is None:
        return value
    named = value[label]
    if isinstance(named, (list, tuple)) and len(named) == 1:
        named = named[0]
    return {"start": value[start], "end": value[end], "label": named}


def _key(value: Mapping[str, object], keys: Sequence[str]) -> str | None:
    return next((key for key in keys if value.get(key) is not None), None)


def _listed(names: Sequence[object]) -> str:
    return " and ".join(repr(str(name)[:40]) for name in names[:2])
