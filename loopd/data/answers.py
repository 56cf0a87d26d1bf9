"""Owns what a cell of earlier answers says: who answered what; must not know files or columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loopd.data.cells import SPAN_KEYS, Cells, Unusable, parsed
from loopd.records import JsonValue

LONGEST_NAME = 255
"""Characters of the longest name of an annotator that is taken."""

Given = tuple[tuple[str, JsonValue], ...]
"""Annotator and value as Argilla would give it, for each answer."""


@dataclass(frozen=True, slots=True)
class AnswerCells:
    """Cells that hold one answer, or an object with the answer of each annotator.

    Attributes:
        cells: how one answer is written down.
        annotator: who gave an answer that stands alone.
    """

    cells: Cells
    annotator: str

    def read(self, cell: object, text: str) -> tuple[Given, list[Unusable]]:
        """The answers of a cell that can be used, and what is wrong with the others."""
        found: list[tuple[str, JsonValue]] = []
        troubles: list[Unusable] = []
        if isinstance(cell, Unusable):
            return (), [cell]
        try:
            given = list(self._by_annotator(cell))
        except Unusable as trouble:
            return (), [trouble]
        for annotator, raw in given:
            try:
                target = self.cells.target(raw, text)
                if target is not None:
                    found.append((_name(annotator), self.cells.value(target)))
            except Unusable as trouble:
                troubles.append(Unusable(f"answer of {annotator[:40]!r}: {trouble.reason}"))
        return tuple(found), troubles

    def _by_annotator(self, cell: object) -> Iterator[tuple[str, object]]:
        value = parsed(cell) if isinstance(cell, str) and cell.lstrip().startswith("{") else cell
        if isinstance(value, Mapping) and not value.keys() >= set(SPAN_KEYS):
            yield from ((str(name), each) for name, each in value.items())
        elif isinstance(value, list) and value and all(map(_is_pair, value)):
            yield from ((str(name), each) for name, each in value)
        else:
            yield self.annotator, value


def _is_pair(value: object) -> bool:
    """Whether this is an entry of what pyarrow makes of a map."""
    return isinstance(value, tuple) and len(value) == 2


def _name(annotator: str) -> str:
    if not annotator.strip() or not annotator.isprintable() or len(annotator) > LONGEST_NAME:
        raise Unusable("the name of the annotator cannot be used")
    return annotator
