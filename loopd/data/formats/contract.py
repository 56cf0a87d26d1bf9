"""Owns what a format is and what it is asked for; must not know any format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from loopd.data.cells import plain
from loopd.data.parts import Parts
from loopd.data.source import ParsedRow, RawAnswer, Source, Verdict


@dataclass(frozen=True, slots=True)
class Request:
    """What the configuration asks of a file.

    Attributes:
        section: ``pool`` or ``test``, for messages.
        kind: of the task: ``single_label``, ``multi_label`` or ``spans``.
        labels: of the task, ``None`` for any.
        text: column of the texts, or of their first parts.
        id: column of the ids, ``None`` to make them.
        label: columns of the known labels; several where each is one label.
        answers: columns of the answers; several where each is one person or one label.
        annotator_column: column of who answered, ``None`` to find out.
        verdict_column: column of what was decided about the answer, ``None`` to find out.
        format: name of the format, ``auto`` to find out.
        resolved: whether label and answers are names of questions or fields by now.
        parts: columns of the parts of a text; empty where it has but one.
        show: columns that people see beside the text.
    """

    section: str
    kind: str
    labels: tuple[str, ...] | None
    text: str
    id: str | None = None
    label: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    annotator_column: str | None = None
    verdict_column: str | None = None
    format: str = "auto"
    resolved: bool = False
    parts: tuple[str, ...] = ()
    show: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns of the texts."""
        return self.parts or (self.text,)

    def text_cell(self, cells: Mapping[str, object]) -> object:
        """The text of a row, or a ``Parts`` of all that belongs to it."""
        if not self.parts:
            return cells.get(self.text)
        return Parts(tuple((name, cells.get(name)) for name in self.parts))

    def shown_cells(self, cells: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
        """What people see beside the text, by its column."""
        return tuple((name, cells.get(name)) for name in self.show)

    @property
    def questions(self) -> tuple[str, ...]:
        """Names of the questions that are read; empty until they are resolved."""
        return tuple(dict.fromkeys((*self.answers, *self.label))) if self.resolved else ()

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that the configuration names, but for that of who answered."""
        own = () if self.id is None else (self.id,)
        names = (*self.texts, *own, *self.label, *self.answers, *self.show)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Item:
    """What one row of an annotation tool's file says.

    Attributes:
        fields: cells that are no answers, by name.
        questions: what people answered, by question.
        verdict: what was decided about the whole row, where none of its questions has a value.
    """

    fields: Mapping[str, object]
    questions: Mapping[str, tuple[RawAnswer, ...]] = field(default_factory=dict)
    verdict: Verdict = Verdict.SUBMITTED


@dataclass(frozen=True, slots=True)
class Format:
    """A family of files.

    Attributes:
        name: what ``pool.format`` calls it, and the heading in ``docs/formats.md``.
        title: what people call it.
        recognises: whether a source is of this family and can hardly be anything else.
        rows: the rows of a source, as the collector takes them.
        questions: what ``pool.answers`` may name.
        remark: what people should know of a source of this format; empty for nothing.
    """

    name: str
    title: str
    recognises: Callable[[Source, Request], bool]
    rows: Callable[[Source, Request], Iterator[ParsedRow]]
    questions: Callable[[Source, Request], tuple[str, ...]]
    remark: Callable[[Source], str] = lambda _: ""


def values(source: Source, column: str) -> list[object]:
    """What the first rows hold in a column, without empty cells."""
    cells = (row.cells.get(column) for row in source.head)
    return [cell for cell in cells if isinstance(cell, (list, tuple, Mapping)) or plain(cell)]
