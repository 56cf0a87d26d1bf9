"""Owns the incoming table with what was found out about its rows; must not read or write a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loopd.data.cells import json_value
from loopd.data.incoming import Incoming
from loopd.data.outgoing import Column
from loopd.export.text_labels import TextLabel
from loopd.records import JsonValue, Target

ADDED = ("label", "source", "confidence", "second_label", "reason")
"""Columns behind those that came in; under other names where these are there."""

LABEL_KINDS = {"single_label": "text", "multi_label": "texts", "spans": "spans"}


@dataclass(frozen=True, slots=True)
class LabelCells:
    """How labels stand in the cells of a table.

    Attributes:
        kind: of the task.
        separator: what stands between several labels.
        none_label: several labels: the name for none of them, if it has one.
        lists: whether a cell can be a list.
    """

    kind: str
    separator: str
    none_label: str | None
    lists: bool

    def columns(self, incoming: Sequence[str]) -> list[Column]:
        """The columns that come in, and those that are added."""
        label, source, confidence, second, reason = free_names(incoming)
        several = self.lists and self.kind != "single_label"
        added = [
            Column(label, LABEL_KINDS[self.kind] if self.lists else "text"),
            Column(source, "text"),
            Column(confidence, "numbers" if several else "number" if self._is_one else "text"),
            Column(second, "text"),
            Column(reason, "text"),
        ]
        return [*map(Column, incoming), *added]

    def row(self, told: TextLabel) -> tuple[object, ...]:
        """The cells of the added columns."""
        label = None if told.target is None else self._label(told.target)
        return label, told.source or None, self._confidence(told), told.second, told.reason or None

    @property
    def _is_one(self) -> bool:
        return self.kind == "single_label"

    def _label(self, target: Target) -> JsonValue:
        value = json_value(target)
        if self.lists or not isinstance(value, list):
            return value
        names = [str(name) for name in value]
        if self.kind == "multi_label" and not names and self.none_label is not None:
            return self.none_label
        joined = self.kind == "multi_label" and bool(names)
        if joined and not any(self.separator in name for name in names):
            return self.separator.join(names)
        return json.dumps(value, ensure_ascii=False)

    def _confidence(self, told: TextLabel) -> object:
        score = told.confidence
        if score is None:
            return None
        numbers = score if isinstance(score, tuple) else (score,)
        rounded = [round(float(number), 6) for number in numbers]
        if self._is_one:
            return rounded[0]
        return rounded if self.lists else self.separator.join(map(str, rounded))


def free_names(incoming: Sequence[str]) -> tuple[str, ...]:
    """Names of the added columns that no incoming column has, whatever its case."""
    taken = {name.strip().casefold() for name in incoming}
    prefixes = ("", "loopd_", *(f"loopd{number}_" for number in range(2, len(taken) + 3)))
    candidates = (tuple(f"{prefix}{name}" for name in ADDED) for prefix in prefixes)
    return next(names for names in candidates if taken.isdisjoint(names))


def rows(
    table: Incoming, labels: Mapping[str, TextLabel], cells: LabelCells
) -> Iterator[tuple[object, ...]]:
    """Every row of the table once, in order, with what is known of its text."""
    for line, values in table.rows():
        told = TextLabel(reason=line.reason) if line.reason else labels[line.text]
        yield (*values, *cells.row(told))
