"""Owns what a cell of labels says, for every kind of task; must not know files or columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from loopd.data.labels import Labels, Unusable
from loopd.data.names import NOTHING, is_empty, named, names_in, parsed, plain
from loopd.records import JsonValue, Span, Target

__all__ = ["Labels", "Unusable", "cells_of", "parsed", "plain"]

KINDS = ("single_label", "multi_label", "spans")

SPAN_KEYS = ("start", "end", "label")


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
            return SingleLabelCells(labels, separator)


@dataclass(frozen=True, slots=True)
class SingleLabelCells:
    """The label's name, or a list of this one name; white space around it does not count."""

    labels: Labels
    separator: str = "|"

    def target(self, cell: object, text: str) -> str | None:
        """The label."""
        del text
        label = self.labels.exact(cell) if isinstance(cell, str) else None
        if label is None:
            label = named(cell, self.labels)
        if label is not None or is_empty(cell):
            return label
        names = names_in(cell, self.labels, self.separator)
        if not names:
            return None
        if len(names) > 1:
            shown_names = " and ".join(repr(name[:40]) for name in names[:2])
            raise Unusable(f"{len(names)} labels where the task takes one: {shown_names}")
        return names[0]

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
        if is_empty(cell):
            return None
        names = names_in(cell, self.labels, self.separator)
        if names is None:
            return None
        if names == [self.labels.none_label]:
            return ()
        if self.labels.none_label in names:
            raise Unusable(f"{self.labels.none_label!r} together with labels")
        for number, name in enumerate(names):
            if name in names[:number]:
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


@dataclass(frozen=True, slots=True)
class SpanCells:
    """A list of spans, as a list or as JSON: objects with start, end and label, or triples."""

    labels: Labels

    def target(self, cell: object, text: str) -> tuple[Span, ...] | None:
        """The spans by their start."""
        if isinstance(cell, str) and cell.strip() in NOTHING:
            return None
        value = parsed(cell) if isinstance(cell, str) and cell.strip() else cell
        if isinstance(value, dict):
            value = _rows_of(value)
        if not isinstance(value, (list, tuple)):
            if plain(value).strip():
                raise Unusable(f"{plain(value)[:40]!r} is no list of spans")
            return None
        spans = sorted(_span(item) for item in value)
        for number, span in enumerate(spans):
            if not 0 <= span.start < span.end <= len(text):
                raise Unusable(
                    f"span {shown(span)} is not inside the text of {len(text)} characters"
                )
            spans[number] = span._replace(label=self.labels.resolve(span.label))
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
    spans = [span for span in target if isinstance(span, Span)]
    return [{"start": span.start, "end": span.end, "label": span.label} for span in spans]


def json_value(target: Target | None) -> JsonValue:
    """A target as JSON, with nothing added: "none of these" is an empty list."""
    if target is None or isinstance(target, str):
        return target
    return span_objects(target) or [name for name in target if isinstance(name, str)]


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
    if not all(isinstance(column, (list, tuple)) for column in lists):
        raise Unusable("an object, not a list of spans")
    return list(zip(*(each for each in lists if isinstance(each, (list, tuple))), strict=False))
