"""Owns what a cell of labels says, for each kind of task; must not know files or columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from loopd.records import JsonValue, Span, Target

KINDS = ("single_label", "multi_label", "spans")

SPAN_KEYS = ("start", "end", "label")


class Unusable(Exception):  # noqa: N818 - says what a cell is; never leaves this folder
    """A cell that cannot be used.

    Args:
        reason: why, in a few words.
        unknown: the label that the task does not have, if that is why.
    """

    def __init__(self, reason: str, unknown: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown = unknown


class Cells(Protocol):
    """How one kind of task writes its targets down."""

    def target(self, cell: object, text: str) -> Target | None:
        """The target in a cell; ``None`` where the cell is empty: nobody knows.

        Raises:
            Unusable: the cell holds something else.
        """
        ...

    def value(self, target: Target) -> JsonValue:
        """The target as somebody answers it in Argilla.

        Raises:
            Unusable: nobody can answer that.
        """
        ...


@dataclass(frozen=True)
class Labels:
    """The labels of a task.

    Attributes:
        names: label names in order, ``None`` to take any.
        none_label: multi label: the option for "none of these".
    """

    names: tuple[str, ...] | None
    none_label: str | None = None
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset(self.names or ()))

    def require(self, name: str) -> None:
        """Check that the task has the label.

        Raises:
            Unusable: it does not.
        """
        if self.names is not None and name not in self.known:
            raise Unusable(f"unknown label {name[:40]!r}", name)


def cells_of(kind: str, labels: Labels, separator: str = "|") -> Cells:
    """How targets of a kind are written down.

    Args:
        kind: one of ``KINDS``.
        labels: of the task.
        separator: what stands between several labels in a text.
    """
    match kind:
        case "multi_label":
            return MultiLabelCells(labels, separator)
        case "spans":
            return SpanCells(labels)
        case _:
            return SingleLabelCells(labels)


@dataclass(frozen=True, slots=True)
class SingleLabelCells:
    """The label's name; white space around it does not count."""

    labels: Labels

    def target(self, cell: object, text: str) -> str | None:
        """The label."""
        del text
        label = plain(cell).strip()
        if label:
            self.labels.require(label)
        return label or None

    def value(self, target: Target) -> JsonValue:
        """The label."""
        return str(target)


@dataclass(frozen=True, slots=True)
class MultiLabelCells:
    """A list of names, as a list, as JSON, or with a separator between them.

    The empty list (``[]``, or the separator alone) says that no label applies, as the name of the
    option for that does.
    """

    labels: Labels
    separator: str

    def target(self, cell: object, text: str) -> tuple[str, ...] | None:
        """The names in the order of the task."""
        del text
        names = self._names(cell)
        if names is None:
            return None
        if names == [self.labels.none_label]:
            return ()
        if self.labels.none_label in names:
            raise Unusable(f"{self.labels.none_label!r} together with labels")
        for place, name in enumerate(names):
            self.labels.require(name)
            if name in names[:place]:
                raise Unusable(f"label {name[:40]!r} is there twice")
        order = self.labels.names
        return tuple(names if order is None else (name for name in order if name in names))

    def value(self, target: Target) -> JsonValue:
        """The names, or the option for "none of these"."""
        if target:
            return [str(name) for name in target]
        if self.labels.none_label is None:
            raise Unusable("no label, and the task has no none_label")
        return [self.labels.none_label]

    def _names(self, cell: object) -> list[str] | None:
        value = parsed(cell) if isinstance(cell, str) and cell.lstrip().startswith("[") else cell
        if isinstance(value, dict):
            raise Unusable("an object, not a list of labels")
        if isinstance(value, (list, tuple)):
            return [plain(name).strip() for name in value]
        parts = plain(value).strip()
        if not parts:
            return None
        return [name.strip() for name in parts.split(self.separator) if name.strip()]


@dataclass(frozen=True, slots=True)
class SpanCells:
    """A list of spans, as a list or as JSON: objects with start, end and label, or triples."""

    labels: Labels

    def target(self, cell: object, text: str) -> tuple[Span, ...] | None:
        """The spans by their start."""
        value = parsed(cell) if isinstance(cell, str) and cell.strip() else cell
        if isinstance(value, dict):
            value = _rows_of(value)
        if not isinstance(value, (list, tuple)):
            if plain(value).strip():
                raise Unusable(f"{plain(value)[:40]!r} is no list of spans")
            return None
        spans = sorted(_span(each) for each in value)
        for span in spans:
            if not 0 <= span.start < span.end <= len(text):
                raise Unusable(
                    f"span {shown(span)} is not inside the text of {len(text)} characters"
                )
            self.labels.require(span.label)
        refuse_overlaps(spans)
        return tuple(spans)

    def value(self, target: Target) -> JsonValue:
        """Objects with ``start``, ``end`` and ``label``."""
        return span_objects(target)


def refuse_overlaps(spans: Sequence[Span]) -> None:
    """Check that no span reaches into the next one; they must be in order.

    Raises:
        Unusable: two overlap.
    """
    for first, second in pairwise(spans):
        if first.end > second.start:
            raise Unusable(f"spans {shown(first)} and {shown(second)} overlap")


def shown(span: Span) -> str:
    """A span for a message."""
    return f"{span.start}-{span.end} {span.label[:40]}"


def span_objects(target: Iterable[object]) -> list[JsonValue]:
    """Spans as JSON objects."""
    spans = [each for each in target if isinstance(each, Span)]
    return [{"start": span.start, "end": span.end, "label": span.label} for span in spans]


def json_value(target: Target | None) -> JsonValue:
    """A target as JSON, with nothing added: "none of these" is an empty list."""
    if target is None or isinstance(target, str):
        return target
    return span_objects(target) or [name for name in target if isinstance(name, str)]


def plain(value: object) -> str:
    """A cell as text: nothing is empty, whole floats lose their point, booleans are lower case."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return "" if value is None else str(value)


def parsed(cell: str) -> object:
    """A cell that should be JSON.

    Raises:
        Unusable: it is not.
    """
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise Unusable(f"{cell[:40]!r} is not JSON") from None


def _float(value: float) -> str:
    if math.isnan(value):  # what pandas writes for an empty cell
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def _span(value: object) -> Span:
    if isinstance(value, Mapping):
        value = [value.get(key) for key in SPAN_KEYS]
    if not isinstance(value, (list, tuple)) or len(value) != len(SPAN_KEYS):
        raise Unusable(f"{str(value)[:40]!r} is no span: it needs start, end and label")
    start, end, label = value
    if not isinstance(label, str) or not label:
        raise Unusable(f"the label of a span is {str(label)[:40]!r}")
    return Span(_offset(start), _offset(end), label)


def _offset(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"{str(value)[:40]!r} is no offset: it must be a whole number")
    return value


def _rows_of(columns: Mapping[str, object]) -> list[object]:
    """Spans out of an object of lists, as ``datasets`` once kept them."""
    lists = [columns.get(key) for key in SPAN_KEYS]
    if not all(isinstance(each, (list, tuple)) for each in lists):
        raise Unusable("an object, not a list of spans")
    return list(zip(*(each for each in lists if isinstance(each, (list, tuple))), strict=False))
