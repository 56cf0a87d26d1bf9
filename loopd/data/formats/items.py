"""Owns rows of annotation tools' files: which question is read, and which cells; opens nothing."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from loopd.data.cells import Unusable
from loopd.data.columns import listing
from loopd.data.formats.contract import Format, Item, Request
from loopd.data.formats.values import agreed, answer_cell
from loopd.data.formats.verdicts import verdict_in
from loopd.data.formats.words import person
from loopd.data.source import ParsedRow, RawAnswer, Source, SourceRow, Verdict
from loopd.errors import DataError

Reader = Callable[[Mapping[str, object], Request], Item]
"""Cells of a row to what they say."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool whose rows are read one by one.

    Attributes:
        name, title, recognises: as :class:`Format` has them.
        read: what one row says.
        aliases: names that ``answers`` and ``label`` may have for the one question there is.
        join: what several rows say together, where a row is not an answer.
        remark: as :class:`Format` has it.
    """

    name: str
    title: str
    recognises: Callable[[Source, Request], bool]
    read: Reader
    aliases: Collection[str] = ()
    join: Callable[
        [Iterable[tuple[SourceRow, Item]], Request], Iterable[tuple[SourceRow, Item]]
    ] = lambda items, _: items
    remark: Callable[[Source], str] = lambda _: ""

    def format(self) -> Format:
        """The tool as a format."""
        return Format(
            self.name, self.title, self.recognises, self.rows, self.questions, self.remark
        )

    def questions(self, source: Source, request: Request) -> tuple[str, ...]:
        """Names of the questions that the first rows have answers to."""
        return self.names(source.head, request)

    def names(self, rows: Iterable[SourceRow], request: Request) -> tuple[str, ...]:
        """Names of the questions that rows have answers to."""
        items = (self.read(row.cells, request) for row in rows if not row.broken)
        return tuple(dict.fromkeys(name for item in items for name in item.questions))

    def rows(self, source: Source, request: Request) -> Iterator[ParsedRow]:
        """All rows.

        Raises:
            DataError: a column or question is not there, or the one meant cannot be told.
        """
        names = _Names(self, source, request)
        answers = names.choice_of("answers", request.answers)
        label = names.choice_of("label", request.label)
        names.require_fields(request)
        request = replace(request, answers=answers.names, label=label.names, resolved=True)
        for row, item in self.join(self._items(source, request), request):
            yield _row(row, item, request, answers=answers, label=label)

    def _items(self, source: Source, request: Request) -> Iterator[tuple[SourceRow, Item]]:
        for row in source.read(None):
            yield row, Item({}) if row.broken else self.read(row.cells, request)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is read for a key of the configuration.

    Attributes:
        name: of the question or of the field; ``None`` for nothing.
        question: whether it is a question.
    """

    name: str | None = None
    question: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The name, if it is that of a question."""
        return (self.name,) if self.question and self.name is not None else ()


@dataclass(frozen=True, slots=True)
class _Names:
    tool: Tool
    source: Source
    request: Request

    @property
    def questions(self) -> tuple[str, ...]:
        return self.tool.questions(self.source, self.request)

    @property
    def _questions_shown(self) -> str:
        return listing(self.questions) if self.questions else "no answers in its first rows"

    @property
    def fields(self) -> tuple[str, ...]:
        rows = (row.cells for row in self.source.head if not row.broken)
        items = (self.tool.read(cells, self.request) for cells in rows)
        return tuple(dict.fromkeys(name for item in items for name in item.fields))

    def choice_of(self, key: str, names: tuple[str, ...]) -> Choice:
        """The question or field that a key names."""
        if not names:
            return Choice()
        if len(names) > 1:
            raise self._refused(key, listing(names), "several columns")
        choice = self._question(names[0], self.questions) or self._field(key, names[0])
        if choice is not None:
            self._refuse_two_readings(key, names[0], choice)
            return choice
        # The first answer may come late in a file.
        questions = self.tool.names(self.source.read(None), self.request)
        choice = self._question(names[0], questions)
        if choice is not None:
            return choice
        if questions:
            raise self._refused(key, repr(names[0][:40]), "no question of it")
        raise DataError(
            f"{self.source.name}: `{self.request.section}.{key}` is {names[0][:40]!r}; read as "
            f"{self.tool.title} nobody has answered anything",
            f"leave `{self.request.section}.{key}` empty until somebody has, or set "
            f"`{self.request.section}.format: plain` to read columns",
        )

    def _refuse_two_readings(self, key: str, name: str, choice: Choice) -> None:
        """Refuse another name of the only question where it is that of a column."""
        stated = (name, name.removesuffix(".responses"))
        if choice.question and choice.name not in stated and name in self.fields:
            raise DataError(
                f"{self.source.name}: `{self.request.section}.{key}` is {name[:40]!r}: it could be "
                f"the column of that name or the question {choice.name!r}",
                f"set it to {choice.name!r}, or `{self.request.section}.format: plain` for the "
                "column",
            )

    def _question(self, name: str, questions: tuple[str, ...]) -> Choice | None:
        if name.removesuffix(".responses") in questions:
            return Choice(name.removesuffix(".responses"), question=True)
        if name in self.tool.aliases and len(questions) == 1:
            return Choice(questions[0], question=True)
        return None

    def _field(self, key: str, name: str) -> Choice | None:
        suggested = name.endswith((".suggestion", ".suggestion.agent", ".suggestion.score"))
        if name not in self.fields or (suggested and key == "answers"):
            return None
        return Choice(name)

    def require_fields(self, request: Request) -> None:
        """Check that text and id are there."""
        more = (request.id, request.annotator_column, request.verdict_column)
        for name in (*request.texts, *request.show, *more):
            if name is not None and self.source.head and name not in self.fields:
                match = difflib.get_close_matches(name, self.fields, n=1, cutoff=0.5)
                raise DataError(
                    f"{self.source.name} has no field {name!r}; it has {listing(self.fields)}",
                    f"did you mean {match[0]!r}?" if match else "name the field of the texts",
                )

    def _refused(self, key: str, name: str, reason: str) -> DataError:
        return DataError(
            f"{self.source.name}: `{self.request.section}.{key}` is {name}, {reason}; read as "
            f"{self.tool.title} it has {self._questions_shown}",
            f"name the question, or set `{self.request.section}.format: plain` to read columns",
        )


def _row(
    row: SourceRow, item: Item, request: Request, *, answers: Choice, label: Choice
) -> ParsedRow:
    return ParsedRow(
        number=row.number,
        text=request.text_cell(item.fields),
        id=None if request.id is None else item.fields.get(request.id),
        label=None if label.name is None else agreed(_answers(item, label, request)),
        answers=_answers(item, answers, request),
        broken=row.broken,
        shown=request.shown_cells(item.fields),
    )


def _answers(item: Item, choice: Choice, request: Request) -> tuple[RawAnswer, ...]:
    if choice.name is None:
        return ()
    answers = (
        item.questions.get(choice.name, ()) if choice.question else _of_field(item, choice.name)
    )
    return tuple(_finished(answer, item, request) for answer in answers)


def _finished(answer: RawAnswer, item: Item, request: Request) -> RawAnswer:
    """The answer with its cell, and with what the columns say that the configuration names."""
    answer = answer._replace(value=answer_cell(answer.value, request))
    if request.annotator_column is not None:
        answer = answer._replace(annotator=person(item.fields.get(request.annotator_column)))
    verdict = verdict_in(item.fields, request.verdict_column)
    if isinstance(verdict, Unusable):
        return answer._replace(value=verdict)
    return answer if verdict is Verdict.SUBMITTED else answer._replace(verdict=verdict)


def _of_field(item: Item, name: str) -> tuple[RawAnswer, ...]:
    """What a column says that is no question: the verdict of its row counts for it too."""
    cell = item.fields.get(name)
    if cell is None or cell == "":
        return ()
    return (RawAnswer("", cell, item.verdict),)
