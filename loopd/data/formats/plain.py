"""Owns tables whose columns the configuration names: one answer a row, or several; opens nothing.

``plain``: a cell is a label, or holds answers with their people. ``long``: a row for each text and
person. ``wide``: a column for each person. ``one_hot``: zeros and ones, a column for each label or
a vector of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from loopd.data.cells import Unusable
from loopd.data.columns import listing, missing_column
from loopd.data.formats.contract import Request
from loopd.data.formats.literals import literal
from loopd.data.formats.long import annotator_column
from loopd.data.formats.objects import answers_of, labels_of
from loopd.data.formats.one_hot import is_bits, is_sure, labels_of_columns, of_bits, vectors
from loopd.data.formats.values import agreed
from loopd.data.formats.verdicts import (
    Verdicts,
    Watch,
    own_columns,
    verdict_column,
    verdicts_in,
    watch_of,
    without_verdicts,
)
from loopd.data.formats.words import TIME_KEYS, key_of, latest, person
from loopd.data.source import ParsedRow, RawAnswer, Source, SourceRow, Verdict
from loopd.errors import DataError


@dataclass(frozen=True, slots=True)
class Table:
    """How the columns of a table are read.

    Attributes:
        request: the configuration; patterns in its names are columns already.
        names: labels of the task.
        bits: label of each column of zeros and ones, by column.
        vectors: columns of vectors of zeros and ones.
        people: whether each column of answers is a person's.
        annotator: column of who answered.
        verdict: column of what was decided about the answer.
        own: column of what was decided about one column of answers, by that column.
        watch: what looks out for verdicts that come late; ``None`` where nothing has to.
    """

    request: Request
    names: frozenset[str]
    bits: Mapping[str, str]
    vectors: frozenset[str]
    people: bool
    annotator: str | None
    verdict: str | None
    own: Mapping[str, str] = field(default_factory=dict)
    watch: Watch | None = None

    def read_columns(self, present: Sequence[str]) -> tuple[str, ...]:
        """All columns that are read."""
        own = [name for name in (self.annotator, self.verdict) if name is not None]
        own += self.own.values()
        watched = () if self.watch is None else self.watch.said
        times = [name for name in present if key_of(name) in TIME_KEYS] if self.annotator else []
        return tuple(dict.fromkeys((*self.request.named, *own, *times, *watched)))

    def row(self, row: SourceRow) -> ParsedRow:
        """A row as the collector takes it."""
        cells, request = row.cells, self.request
        if row.broken:
            return ParsedRow(row.number, None, None, None, broken=row.broken)
        verdict = verdicts_in(cells, self.verdict)
        answers = _judged(tuple(self._answers(cells, request.answers, people=self.people)), verdict)
        # The verdict is on what people answered; a column of known labels beside that is not.
        own = Verdict.SUBMITTED if request.answers and request.label != request.answers else verdict
        label = agreed(_judged(tuple(self._answers(cells, request.label, is_known=True)), own))
        record_id = None if request.id is None else cells.get(request.id)
        text, shown = request.text_cell(cells), request.shown_cells(cells)
        return ParsedRow(row.number, text, record_id, label, answers, shown=shown)

    def _answers(
        self,
        cells: Mapping[str, object],
        columns: tuple[str, ...],
        *,
        people: bool = False,
        is_known: bool = False,
    ) -> Iterator[RawAnswer]:
        """What the columns of one key say."""
        if columns and columns[0] in self.bits:
            names = [self.bits[column] for column in columns]
            bits = [cells.get(column) for column in columns]
            yield self._by(cells, RawAnswer("", of_bits(names, bits, self.request)))
            return
        for column in columns:
            told = self._of_cell(cells, column, is_known=is_known)
            if column in self.own:
                told = _judged(tuple(told), verdicts_in(cells, self.own[column]))
            for answer in told:
                named = answer._replace(annotator=column) if people else answer
                yield self._by(cells, named)

    def _of_cell(
        self, cells: Mapping[str, object], column: str, *, is_known: bool
    ) -> Sequence[RawAnswer]:
        cell = cells.get(column)
        if cell is None or cell == "":
            return ()
        if isinstance(cell, str) and cell in self.names:  # nearly always; the rest is slow
            return (RawAnswer("", cell),)
        if column in self.vectors:
            bits = literal(cell)
            if isinstance(bits, (list, tuple)):
                return (RawAnswer("", of_bits(self.request.labels or (), bits, self.request)),)
        people = None if self.annotator is None else literal(cells.get(self.annotator))
        pairs = () if people is None else _pairs(people, literal(cell))
        return pairs or (labels_of if is_known else answers_of)(cell, self.request)

    def _by(self, cells: Mapping[str, object], answer: RawAnswer) -> RawAnswer:
        """The answer with the person and the time of its row."""
        if self.annotator is None or answer.annotator:
            return answer
        when = latest(cells, self.request.named) if answer.time is None else answer.time
        return answer._replace(annotator=person(cells.get(self.annotator)), time=when)


def _judged(answers: tuple[RawAnswer, ...], verdict: Verdicts) -> tuple[RawAnswer, ...]:
    """The answers with what was decided about all of them, or about each."""
    if verdict is Verdict.SUBMITTED:
        return answers
    verdicts = verdict if isinstance(verdict, list) else [verdict] * len(answers)
    if len(verdicts) != len(answers):
        return _judged(answers, Unusable(f"{len(verdicts)} verdicts on {len(answers)} answers"))
    return tuple(
        answer._replace(value=told) if isinstance(told, Unusable) else answer._replace(verdict=told)
        for answer, told in zip(answers, verdicts, strict=True)
    )


def _pairs(people: object, answers: object) -> tuple[RawAnswer, ...]:
    """Answers of two lists of one length, of people and of what they said."""
    if not isinstance(people, (list, tuple)) or not isinstance(answers, (list, tuple)):
        return ()
    if len(people) != len(answers):
        return (RawAnswer("", Unusable(f"{len(answers)} answers of {len(people)} people")),)
    return tuple(
        RawAnswer(person(who), answer) for who, answer in zip(people, answers, strict=True)
    )


def table_of(source: Source, request: Request) -> Table:
    """How a table is read, by its first rows and the configuration.

    Raises:
        DataError: it could be read in two ways, or not as the configuration says.
    """
    request = replace(
        request,
        answers=_matching(source, request.answers),
        label=_matching(source, request.label),
    )
    own = own_columns(source, request)
    bits = _bits_of(source, request)
    people = bool(request.answers) and request.answers[0] not in bits and _is_wide(request)
    verdict = verdict_column(source, request)
    return Table(
        request,
        frozenset(() if request.kind == "spans" else request.labels or ()),
        bits,
        frozenset(name for name in request.named if _is_vectors(source, name, request)),
        people,
        None if people else annotator_column(source, request),
        verdict,
        own,
        None if verdict is not None else watch_of(source, request),
    )


def _bits_of(source: Source, request: Request) -> dict[str, str]:
    """The label of each column of zeros and ones.

    Raises:
        DataError: there are several columns of known labels, and they are none.
    """
    bits: dict[str, str] = {}
    for names in (request.answers, request.label):
        if _is_bits(source, names, request):
            bits |= labels_of_columns(names, request)
    if len(request.label) > 1 and request.label[0] not in bits:
        raise DataError(
            f"{source.name}: columns {listing(request.label)} are no zeros and ones",
            f"name one column of known labels in `{request.section}.label`",
        )
    return bits


def _matching(source: Source, names: tuple[str, ...]) -> tuple[str, ...]:
    """Columns for names that may be patterns, such as ``rater_*``."""
    columns: list[str] = []
    for name in names:
        if name in source.columns or "*" not in name:
            columns.append(name)
            continue
        matches = [column for column in source.columns if fnmatchcase(column, name)]
        if not matches:
            raise missing_column(name, source.columns, source.name)
        columns += without_verdicts(source, matches)
    return tuple(dict.fromkeys(columns))


def _is_wide(request: Request) -> bool:
    return request.format == "wide" or len(request.answers) > 1


def _is_bits(source: Source, names: tuple[str, ...], request: Request) -> bool:
    if len(names) < 2 or request.format in ("wide", "plain", "long") or request.kind == "spans":
        return False
    return request.format == "one_hot" or is_bits(source, names, request)


def _is_vectors(source: Source, name: str, request: Request) -> bool:
    """Whether a column holds vectors of zeros and ones.

    Raises:
        DataError: it holds those or lists of class numbers.
    """
    if request.format not in ("auto", "one_hot") or name not in (*request.answers, *request.label):
        return False
    lists = vectors(source, name, request)
    if not lists or request.format == "one_hot" or is_sure(lists):
        return bool(lists)
    raise DataError(
        f"{source.name}: column {name!r} holds {lists[0]}: it could be a zero or one for each "
        "label, or a list of class numbers",
        f"set `{request.section}.format: one_hot` for zeros and ones; numbers of classes must be "
        "names",
    )


def rows(source: Source, request: Request) -> Iterator[ParsedRow]:
    """The rows of a table.

    Raises:
        DataError: a column is missing, or the table could be read in two ways.
    """
    table = table_of(source, request)
    for row in source.read(table.read_columns(source.columns)):
        if table.watch is not None:
            table.watch.check(row)
        yield table.row(row)
