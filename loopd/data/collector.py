"""Owns which rows become records, and counts what became of the others; opens nothing."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from loopd.data.answers import checked_name
from loopd.data.cells import Cells, Unusable, plain
from loopd.data.columns import Columns, listing
from loopd.data.labels import Blank, nearest
from loopd.data.names import is_empty
from loopd.data.parts import Parts, shown_texts
from loopd.data.pool import Pool, content_id
from loopd.data.report import EXAMPLES, AnswerCounts, Limits, ReadingReport
from loopd.data.source import ParsedRow, RawAnswer, Source, Verdict
from loopd.data.usable import id_trouble, text_in, text_trouble
from loopd.errors import DataError
from loopd.records import JsonValue, PoolId, Record, Target

ORDER = ("refused", "labels", "answers", "contrary", "blank", "duplicates")
"""Kinds of trouble in the order in which a report shows examples of them."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What is to be read.

    Attributes:
        columns: their names.
        cells: how labels and answers are written down.
        annotator: who gave an answer that names nobody.
        labels: of the task; ``None`` to take any.
        require_gold: a test set: a row without a known label is dropped, and a label that cannot
            be used is an error.
        limits: how much may be lost.
        legacy: see :func:`~loopd.data.reading.read_pool`.
    """

    columns: Columns
    cells: Cells
    annotator: str
    labels: tuple[str, ...] | None
    require_gold: bool = False
    limits: Limits = field(default_factory=Limits)
    legacy: bool = False


@dataclass(slots=True)
class Ledger:
    """Counts of answers, or of known labels."""

    counts: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)

    def tally(self) -> AnswerCounts:
        """The numbers as they stand."""
        return AnswerCounts(**self.counts, withheld=tuple(sorted(self.withheld.items())))


@dataclass(slots=True)
class Collector:
    """Takes rows one by one and keeps what can be used."""

    source: Source
    options: ReadingOptions
    records: list[Record] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    """Number of each kept text among the records."""
    ids: dict[str, int] = field(default_factory=dict)
    """Number of the record of each id."""
    lines: array[int] = field(default_factory=lambda: array("q"))
    """Line or row of each record."""
    counts: Counter[str] = field(default_factory=Counter)
    said: Ledger = field(default_factory=Ledger)
    known: Ledger = field(default_factory=Ledger)
    unknown: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    times: dict[tuple[str, str], float] = field(default_factory=dict)
    """When an answer was given, by text and annotator, where its file says so."""
    spoiled: list[str] = field(default_factory=list)
    """Where label cells of a test set cannot be used and why, but for unknown labels."""

    def add(self, row: ParsedRow) -> None:
        """Take a row, or note why not.

        Raises:
            DataError: one id stands for two texts.
        """
        self.counts["rows"] += 1
        text = text_in(row)
        trouble = text_trouble(row, text, legacy=self.options.legacy)
        if trouble:
            self._leave_out(row, *trouble)
            return
        record_id = content_id(text) if self.options.columns.id is None else plain(row.id)
        problem = id_trouble(record_id)
        if problem:
            self._leave_out(row, "refused", problem)
        elif self._repeats(row.number, record_id, text):
            self._merge(row, text)
        else:
            self._keep(row, record_id, text)

    def _leave_out(self, row: ParsedRow, kind: str, reason: str | None) -> None:
        """Leave out a row with all that it says."""
        self.counts[kind] += 1
        if reason is not None:
            self._example(kind, row.number, reason)
        self._leave_answers(row)
        if not _says_nothing(row.label):
            self.known.counts["left"] += 1

    def _leave_answers(self, row: ParsedRow) -> None:
        self.said.counts["left"] += sum(
            raw.verdict is not Verdict.SUBMITTED or not _says_nothing(raw.value)
            for raw in row.answers
        )

    def _repeats(self, number: int, record_id: str, text: str) -> bool:
        """Whether the text was there before; one id for two texts is an error."""
        earlier_id, earlier_text = self.ids.get(record_id), self.texts.get(text)
        if earlier_id is not None and earlier_id != earlier_text:
            raise DataError(
                f"{self.source.name}: id {record_id[:60]!r} stands for two texts, "
                f"on {self.source.unit}s {self.lines[earlier_id]} and {number}",
                "ids must be unique; leave `id` empty to have them made from the texts",
            )
        if earlier_text is None:
            return False
        self.ids.setdefault(record_id, earlier_text)
        return True

    def _keep(self, row: ParsedRow, record_id: str, text: str) -> None:
        gold = self._gold(row, text)
        if gold is not None:
            self.known.counts["read"] += 1
        elif self.options.columns.label is not None:
            self.counts["unlabeled"] += 1
            if self.options.require_gold:
                self._leave_answers(row)
                return
        self.ids[record_id] = self.texts[text] = len(self.records)
        self.lines.append(row.number)
        answers = self._new(row, text, ()) if row.answers else ()
        parts = row.text.texts if isinstance(row.text, Parts) else ()
        shown = shown_texts(row.shown) if row.shown else ()
        self.records.append(Record(PoolId(record_id), text, gold, answers, parts, shown))

    def _merge(self, row: ParsedRow, text: str) -> None:
        """Give what other people answered on a row that repeats a text to the first one."""
        self.counts["duplicates"] += 1
        number = self.texts[text]
        first = self.records[number]
        before = self.said.counts["read"], self.said.counts["unusable"]
        answers = self._new(row, text, first.answers)
        self.records[number] = replace(first, answers=answers)
        took_all = self.said.counts["unusable"] == before[1] and answers != first.answers
        if self._agrees(row, text, first.gold) and took_all:
            self.counts["merged"] += 1
        elif answers == first.answers:
            self._example("duplicates", row.number, f"repeats {self._where(text)}")

    def _agrees(self, row: ParsedRow, text: str, gold: Target | None) -> bool:
        """Whether the label of a row that repeats a text says nothing new."""
        label = self._gold(row, text)
        if label is None:
            return True
        self.known.counts["left" if gold is None else "repeated"] += 1
        if label != gold:
            what = "another label than" if gold is not None else "a label, but none on"
            self._example("contrary", row.number, f"{what} {self._where(text)}, which counts")
        return label == gold

    def _where(self, text: str) -> str:
        return f"{self.source.unit} {self.lines[self.texts[text]]}"

    def _gold(self, row: ParsedRow, text: str) -> Target | None:
        """The known label; one that cannot be used is counted."""
        cell = row.label
        if cell is None:
            return None
        try:
            if isinstance(cell, Unusable):
                raise cell
            label = None if isinstance(cell, Blank) else self.options.cells.target(cell, text)
        except Unusable as trouble:
            self._spoilt(row.number, trouble)
            return None
        if label is None and not is_empty(cell):
            self._blank(self.known, row.number, cell)
        return label

    def _spoilt(self, number: int, trouble: Unusable) -> None:
        """Count a known label that cannot be used, or may not be."""
        if trouble.verdict is not None:
            self.known.withheld[trouble.verdict.value] += 1
            return
        self.known.counts["unusable"] += 1
        if trouble.unknown is not None:
            self.unknown[trouble.unknown] += 1
        elif self.options.require_gold:
            self.spoiled.append(f"{self.source.unit} {number}: {trouble.reason}")
        self._example("labels", number, trouble.reason)

    def _new(self, row: ParsedRow, text: str, earlier: Answers) -> Answers:
        """The earlier answers and those of a row that can be used; the others are counted."""
        answers = dict(earlier)
        for raw in row.answers:
            try:
                self._take(answers, raw, row.number, text=text)
            except Unusable as trouble:
                self.said.counts["unusable"] += 1
                name = raw.annotator or self.options.annotator
                reason = f"answer of {name[:40]!r}: {trouble.reason}"
                self._example("answers", row.number, reason)
        return tuple(answers.items())

    def _take(
        self, answers: dict[str, JsonValue], raw: RawAnswer, number: int, *, text: str
    ) -> None:
        """Add an answer to those by annotator, or count why not.

        Raises:
            Unusable: it cannot be used.
        """
        if raw.verdict is not Verdict.SUBMITTED:
            self.said.withheld[raw.verdict.value] += 1
            return
        name = raw.annotator or self.options.annotator
        value = self._answer(raw, name, text)
        if value is None:
            if not is_empty(raw.value):
                self._blank(self.said, number, raw.value)
        elif name not in answers:
            answers[name] = value
            self.said.counts["read"] += 1
            self._note_time(text, name, raw.time)
        elif answers[name] == value:
            self.said.counts["repeated"] += 1
        else:
            self._settle(answers, name, value, raw.time, text=text)

    def _settle(
        self,
        answers: dict[str, JsonValue],
        name: str,
        value: JsonValue,
        time: float | None,
        *,
        text: str,
    ) -> None:
        """Of two answers of one person the later one counts.

        Raises:
            Unusable: nobody knows which that is.
        """
        before = self.times.get((text, name))
        if time is None or before is None or time == before:
            raise Unusable("a second answer of the same annotator")
        self.said.counts["superseded"] += 1
        if time > before:
            answers[name] = value
            self._note_time(text, name, time)

    def _note_time(self, text: str, name: str, time: float | None) -> None:
        if time is not None:
            self.times[text, name] = time

    def _answer(self, raw: RawAnswer, name: str, text: str) -> JsonValue:
        """The value as Argilla would give it; ``None`` where the cell says nothing."""
        if isinstance(raw.value, Unusable):
            raise raw.value
        if isinstance(raw.value, Blank):
            return None
        target = self.options.cells.target(raw.value, text)
        if target is None:
            return None
        checked_name(name)
        return self.options.cells.value(target)

    def _blank(self, ledger: Ledger, number: int, cell: object) -> None:
        ledger.counts["blank"] += 1
        words = plain(cell.cell if isinstance(cell, Blank) else cell).strip()
        self._example("blank", number, f"{words[:40]!r} is read as an empty cell")

    def _example(self, kind: str, number: int, reason: str) -> None:
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(f"{self.source.unit} {number}: {reason}")

    def finish(self, notes: Iterable[str] = ()) -> tuple[Pool, ReadingReport]:
        """The pool and the report.

        Args:
            notes: what reading noticed, besides what opening the source did.

        Raises:
            DataError: nothing is left, labels of a test set cannot be used, or too much is lost.
        """
        if self.options.require_gold and self.unknown:
            raise self._unknown_labels()
        if self.spoiled:
            more = f" and {len(self.spoiled) - 1} more" if len(self.spoiled) > 1 else ""
            raise DataError(f"{self.source.name}, {self.spoiled[0]}{more}", "correct the test set")
        report = self._report((*self.source.notes, *notes))
        if not self.records:
            raise self.options.limits.nothing_left(report, self.options.columns.text)
        self.options.limits.check(report, self.examples)
        return Pool(tuple(self.records)), report

    def _report(self, notes: tuple[str, ...]) -> ReadingReport:
        return ReadingReport(
            source=self.source.name,
            rows=self.counts["rows"],
            kept=len(self.records),
            duplicates=self.counts["duplicates"],
            empty=self.counts["empty"],
            refused=self.counts["refused"],
            unlabeled=self.counts["unlabeled"],
            examples=tuple(line for kind in ORDER for line in self.examples.get(kind, ())),
            merged=self.counts["merged"],
            said=self.said.tally(),
            known=self.known.tally(),
            notes=notes,
            written_by=self.source.written_by,
        )

    def _unknown_labels(self) -> DataError:
        labels = self.options.labels or ()
        worst = [label for label, _ in self.unknown.most_common()]
        return DataError(
            f"{self.source.name}: {sum(self.unknown.values())} rows have labels that are not in "
            f"task.labels: {listing(worst)}",
            _nearest_label(worst[0], labels),
        )


Answers = tuple[tuple[str, JsonValue], ...]
"""Annotator and value as Argilla would give it, for each answer."""


def _says_nothing(cell: object) -> bool:
    return not isinstance(cell, Unusable) and is_empty(cell)


def _nearest_label(label: str, labels: Sequence[str]) -> str:
    near = nearest(label, labels)
    if near is not None:
        return f"did you mean {near!r}? Labels must match letter by letter"
    return f"task.labels has {listing(labels)}"
