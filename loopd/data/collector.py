"""Owns which rows become records, and the report of what became of the others; opens nothing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from loopd.data.answers import checked_name
from loopd.data.cells import Cells, Unusable, plain
from loopd.data.columns import Columns, listing
from loopd.data.pool import Pool, content_id
from loopd.data.source import RawAnswer, Row, Source, Verdict
from loopd.errors import DataError
from loopd.records import JsonValue, Record, Target

Given = tuple[tuple[str, JsonValue], ...]
"""Annotator and value as Argilla would give it, for each answer."""

LONGEST_TEXT = 1_000_000
"""Characters of the longest text that is taken."""

LONGEST_ID = 255
"""Characters of the longest id that is taken."""

EXAMPLES = 3
"""How many examples of each kind of trouble a report keeps."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters without width: a text of these alone is empty to a reader."""


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """What became of the rows of one source.

    Attributes:
        source: name of the file or data set.
        rows: rows of the source.
        kept: records in the pool.
        duplicates: rows whose text was there before; the first is kept, and gets what other
            people answered on the others.
        empty: rows without text.
        refused: rows that Argilla could not take, or that cannot be read.
        unlabeled: rows without a known label: dropped from a test set, kept in a pool; 0 where
            no label column was read.
        examples: a few of the rows that were left out, for people.
        answers: earlier answers that were read; 0 where no column of answers was read.
        unusable_answers: earlier answers that were left out.
    """

    source: str
    rows: int
    kept: int
    duplicates: int
    empty: int
    refused: int
    unlabeled: int
    examples: tuple[str, ...] = ()
    answers: int = 0
    unusable_answers: int = 0

    def lines(self) -> tuple[str, ...]:
        """The report for people: one line of counts, then the examples."""
        counts = [f"{self.rows:,} rows", f"{self.kept:,} kept"]
        for number, what in (
            (self.duplicates, "duplicates"),
            (self.empty, "empty"),
            (self.refused, "refused"),
            (self.unlabeled, "without a known label"),
            (self.answers, "answers"),
            (self.unusable_answers, "answers that cannot be used"),
        ):
            if number:
                counts.append(f"{number:,} {what}")
        return (f"{self.source}: {', '.join(counts)}", *(f"  {each}" for each in self.examples))


@dataclass(slots=True)
class Collector:
    """Takes rows one by one and keeps what can be used."""

    source: Source
    columns: Columns
    cells: Cells
    annotator: str
    labels: tuple[str, ...] | None
    require_gold: bool
    records: list[Record] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    """Place of each kept text."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Number of each kept text among the records."""
    ids: dict[str, int] = field(default_factory=dict)
    """Place of each kept id."""
    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    spoiled: list[str] = field(default_factory=list)
    """Where label cells of a test set cannot be used and why, but for unknown labels."""

    def add(self, row: Row) -> None:
        """Take a row, or note why not.

        Raises:
            DataError: one id stands for two texts.
        """
        self.counts["rows"] += 1
        text = row.text if isinstance(row.text, str) else plain(row.text)
        trouble = _text_trouble(row, text)
        if trouble:
            self._leave_out(trouble[0], row.number, trouble[1])
            return
        record_id = content_id(text) if self.columns.id is None else plain(row.id)
        problem = _id_trouble(record_id)
        if problem:
            self._leave_out("refused", row.number, problem)
        elif self._repeats(row.number, record_id, text):
            self._take_answers(row, text)
        else:
            self._keep(row, record_id, text)

    def _repeats(self, place: int, record_id: str, text: str) -> bool:
        """Whether the text was there before; one id for two texts is an error."""
        earlier_id, earlier_text = self.ids.get(record_id), self.texts.get(text)
        if earlier_id is not None and earlier_id != earlier_text:
            raise DataError(
                f"{self.source.name}: id {record_id[:60]!r} stands for two texts, "
                f"on {self.source.unit}s {earlier_id} and {place}",
                "ids must be unique; leave `id` empty to have them made from the texts",
            )
        if earlier_text is None:
            return False
        self.ids.setdefault(record_id, earlier_text)
        self._leave_out("duplicates", place, f"repeats {self.source.unit} {earlier_text}")
        return True

    def _keep(self, row: Row, record_id: str, text: str) -> None:
        gold = self._gold(row.number, text, row.label)
        if gold is None and self.columns.label is not None:
            self._leave_out("unlabeled", row.number, None)
            if self.require_gold:
                return
        self.ids[record_id] = row.number
        self.texts[text] = row.number
        self.numbers[text] = len(self.records)
        self.records.append(Record(record_id, text, gold, self._given(row, text)))

    def _take_answers(self, row: Row, text: str) -> None:
        """Give what other people answered on a row that repeats a text to the first one."""
        first = self.numbers[text]
        known = {name for name, _ in self.records[first].answers}
        given = self._given(row, text)
        new = tuple(each for each in given if each[0] not in known)
        if len(new) < len(given):
            self.counts["answers"] -= len(given) - len(new)
            self.counts["unusable_answers"] += len(given) - len(new)
            self._example("unusable_answers", row.number, "a second answer of the same annotator")
        self.records[first] = replace(
            self.records[first], answers=self.records[first].answers + new
        )

    def _gold(self, place: int, text: str, cell: object) -> Target | None:
        if isinstance(cell, Verdict):  # there is a label, but not one that counts
            self.counts[f"labels {cell.value}"] += 1
            return None
        try:
            if isinstance(cell, Unusable):
                raise cell
            return self.cells.target(cell, text)
        except Unusable as trouble:
            if trouble.unknown is not None:
                self.unknown[trouble.unknown] += 1
            elif self.require_gold:
                self.spoiled.append(f"{self.source.unit} {place}: {trouble.reason}")
            self._example("unlabeled", place, trouble.reason)
            return None

    def _given(self, row: Row, text: str) -> Given:
        """The earlier answers that can be used; the others are counted."""
        given: list[tuple[str, JsonValue]] = []
        for answer in row.answers:
            if answer.verdict is not Verdict.SUBMITTED:
                continue
            try:
                given += self._answer(answer, text)
            except Unusable as trouble:
                self.counts["unusable_answers"] += 1
                name = answer.annotator or self.annotator
                reason = f"answer of {name[:40]!r}: {trouble.reason}"
                self._example("unusable_answers", row.number, reason)
        self.counts["answers"] += len(given)
        return tuple(given)

    def _answer(self, answer: RawAnswer, text: str) -> Given:
        """Annotator and value; nothing where the cell is empty."""
        if isinstance(answer.value, Unusable):
            raise answer.value
        target = self.cells.target(answer.value, text)
        if target is None:
            return ()
        return ((checked_name(answer.annotator or self.annotator), self.cells.value(target)),)

    def _leave_out(self, kind: str, place: int, reason: str | None) -> None:
        self.counts[kind] += 1
        if reason is not None:
            self._example(kind, place, reason)

    def _example(self, kind: str, place: int, reason: str) -> None:
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(f"{self.source.unit} {place}: {reason}")

    def finish(self) -> tuple[Pool, ReadingReport]:
        """The pool and the report.

        Raises:
            DataError: nothing is left, or labels of a test set cannot be used.
        """
        if self.require_gold and self.unknown:
            raise self._unknown_labels()
        if self.spoiled:
            more = f" and {len(self.spoiled) - 1} more" if len(self.spoiled) > 1 else ""
            raise DataError(f"{self.source.name}, {self.spoiled[0]}{more}", "correct the test set")
        report = self._report()
        if not self.records:
            raise DataError(
                f"no usable row: {report.lines()[0]}", "; ".join(report.examples[:EXAMPLES])
            )
        return Pool(tuple(self.records)), report

    def _report(self) -> ReadingReport:
        return ReadingReport(
            source=self.source.name,
            rows=self.counts["rows"],
            kept=len(self.records),
            duplicates=self.counts["duplicates"],
            empty=self.counts["empty"],
            refused=self.counts["refused"],
            unlabeled=self.counts["unlabeled"],
            examples=tuple(each for kind in sorted(self.examples) for each in self.examples[kind]),
            answers=self.counts["answers"],
            unusable_answers=self.counts["unusable_answers"],
        )

    def _unknown_labels(self) -> DataError:
        labels = self.labels or ()
        worst = [label for label, _ in self.unknown.most_common()]
        return DataError(
            f"{self.source.name}: {sum(self.unknown.values())} rows have labels that are not in "
            f"task.labels: {listing(worst)}",
            _nearest_label(worst[0], labels),
        )


def _nearest_label(label: str, labels: Sequence[str]) -> str:
    folded = {known.casefold(): known for known in labels}
    match = difflib.get_close_matches(label.casefold(), list(folded), n=1)
    if match:
        return f"did you mean {folded[match[0]]!r}? Labels must match letter by letter"
    return f"task.labels has {listing(labels)}"


def _text_trouble(row: Row, text: str) -> tuple[str, str | None] | None:
    """Why a text is left out, as (kind, reason), or ``None``."""
    if row.broken:
        return "refused", row.broken
    if isinstance(row.text, (list, dict, tuple, bytes)):
        return "refused", f"the text is a {type(row.text).__name__}"
    if not text or text.isspace() or not text.strip().strip(INVISIBLE):
        return "empty", None
    if len(text) > LONGEST_TEXT:
        return "refused", f"the text has {len(text):,} characters, at most {LONGEST_TEXT:,} fit"
    return None if _storable(text) else ("refused", "the text holds bytes that are not UTF-8 text")


def _id_trouble(record_id: str) -> str | None:
    if not record_id or record_id.isspace():
        return "the id is empty"
    if len(record_id) > LONGEST_ID:
        return f"the id has more than {LONGEST_ID} characters"
    if not record_id.isprintable() or not _storable(record_id):
        return "the id holds control characters"
    return None


def _storable(text: str) -> bool:
    """Whether JSON, SQLite and PostgreSQL take the text: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
