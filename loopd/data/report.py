"""Owns what is said of the rows, answers and labels of a source, and how much may be lost.

Must not read anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loopd.errors import DataError

MOST_UNUSABLE = 0.05
"""Share of the answers, or of the known labels, that may be unusable unless told otherwise."""

MOST_REFUSED = 0.01
"""Share of the rows that may be refused unless told otherwise."""

EXAMPLES = 3
"""How many examples of a kind of trouble are kept."""


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """What became of the answers of a source, or of its known labels: of all cells that say any.

    Attributes:
        read: counted as what they say.
        unusable: the task has no such label, or what is there is no label at all.
        repeated: said before, of the same text.
        superseded: given up by their own annotator, with a later answer.
        left: on rows that were left out.
        blank: say nothing, with a word for it such as ``nan``.
        withheld: how many have a verdict that makes them no answers, by verdict.
    """

    read: int = 0
    unusable: int = 0
    repeated: int = 0
    superseded: int = 0
    left: int = 0
    blank: int = 0
    withheld: tuple[tuple[str, int], ...] = ()

    @property
    def there(self) -> int:
        """All of them."""
        withheld = sum(number for _, number in self.withheld)
        counted = self.read + self.unusable + self.repeated + self.superseded
        return counted + self.left + self.blank + withheld

    def parts(self, what: str) -> list[str]:
        """The numbers that are not nought, for people."""
        numbers = (
            (self.read, what),
            (self.unusable, f"{what} that cannot be used"),
            *((number, f"{what} {verdict}") for verdict, number in self.withheld),
            (self.repeated, f"{what} repeated"),
            (self.superseded, f"{what} that a later one of the same annotator replaces"),
            (self.left, f"{what} on rows that are left out"),
            (self.blank, f"{what} that say nothing"),
        )
        return [f"{number:,} {name}" for number, name in numbers if number]


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
        merged: those of the duplicates that brought further answers, all of which were taken.
        said: what became of the earlier answers.
        known: what became of the known labels.
        notes: what reading had to assume, and what looks wrong although it could be read.
        written_by: the tool whose export it is; empty for a table.
    """

    source: str
    rows: int
    kept: int
    duplicates: int
    empty: int
    refused: int
    unlabeled: int
    examples: tuple[str, ...] = ()
    merged: int = 0
    said: AnswerCounts = field(default_factory=AnswerCounts)
    known: AnswerCounts = field(default_factory=AnswerCounts)
    notes: tuple[str, ...] = ()
    written_by: str = ""

    @property
    def answers(self) -> int:
        """Earlier answers that were read; 0 where no column of answers was read."""
        return self.said.read

    @property
    def unusable_answers(self) -> int:
        """Earlier answers that cannot be used."""
        return self.said.unusable

    @property
    def labels(self) -> int:
        """Known labels that were read; 0 where no column of labels was read."""
        return self.known.read

    @property
    def unusable_labels(self) -> int:
        """Known labels that cannot be used."""
        return self.known.unusable

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost, left out or assumed: every row, answer and label was read."""
        whole = self.kept + self.merged == self.rows and not self.notes
        return whole and all(tally.there == tally.read for tally in (self.said, self.known))

    def lines(self) -> tuple[str, ...]:
        """The report for people: one line of counts, then notes and examples."""
        rows = (
            (self.duplicates, "duplicates"),
            (self.merged, "of them with further answers"),
            (self.empty, "empty"),
            (self.refused, "refused"),
            (self.unlabeled, "without a known label"),
        )
        counts = [f"{self.rows:,} rows", f"{self.kept:,} kept"]
        counts += [f"{number:,} {name}" for number, name in rows if number]
        counts += self.known.parts("labels") + self.said.parts("answers")
        more = (*self.notes, *self.examples)
        name = f"{self.source}, read as {self.written_by}" if self.written_by else self.source
        return (f"{name}: {', '.join(counts)}", *(f"  {line}" for line in more))


class ReadBefore(NamedTuple):
    """What was read of a pool before one more file of it.

    Attributes:
        rows: of its texts.
        refused: rows that cannot be used.
    """

    rows: int = 0
    refused: int = 0


NOTHING_BEFORE = ReadBefore()
"""Of whatever is read first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a source may be lost before it is refused.

    A small file has no room of its own: one answer of ten is as much as ten of a hundred. One that
    joins what was read before has the room of both together, unless most of it is lost: then its
    columns or its encoding are others.

    Attributes:
        section: of the configuration, for the hint: ``pool`` or ``test``.
        tolerate: share of the rows, of the answers and of the labels; ``None``:
            :data:`MOST_REFUSED` and :data:`MOST_UNUSABLE`.
        before: what the source joins.
    """

    section: str = "pool"
    tolerate: float | None = None
    before: ReadBefore = NOTHING_BEFORE

    def check(self, report: ReadingReport, examples: dict[str, list[str]]) -> None:
        """Refuse a source of which too much is lost.

        Args:
            report: what became of it.
            examples: a few of the ``refused`` rows, unusable ``labels`` and unusable ``answers``.

        Raises:
            DataError: more of its rows, answers or labels cannot be used than may be.
        """
        said, known = report.said, report.known
        for lost, of, what, most in (
            (report.refused, report.rows, "refused", MOST_REFUSED),
            (known.unusable, known.read + known.unusable, "labels", MOST_UNUSABLE),
            (said.unusable, said.read + said.unusable, "answers", MOST_UNUSABLE),
        ):
            limit = most if self.tolerate is None else self.tolerate
            if lost > limit * of and not self._have_room(lost, of, limit, what):
                nouns = "rows" if what == "refused" else what
                raise DataError(
                    f"{report.source}: {lost:,} of {of:,} {nouns} cannot be used, more than "
                    f"{percent(limit)}: {'; '.join(examples.get(what, ()))}",
                    self._hint(lost / of, examples.get(what, ())),
                )

    def _have_room(self, lost: int, of: int, limit: float, what: str) -> bool:
        """Whether rows, answers or labels are few together with what was read before."""
        before = self.before.refused if what == "refused" else 0
        return 2 * lost <= of and lost + before <= limit * (max(of, self.before.rows) + before)

    def nothing_left(self, report: ReadingReport, text: str | tuple[str, ...]) -> DataError:
        """The error for a source without any record: the first lines say why, or what may be wrong.

        Args:
            report: what became of it.
            text: column of the texts, or columns of their parts.
        """
        examples, hint = report.examples[:EXAMPLES], ""
        if examples:
            hint = f"correct the rows, or name another file in `{self.section}.path`"
            encoding = any(NOT_TEXT in example for example in examples)
            hint = f"is `{self.section}.encoding` right?" if encoding else hint
        elif not report.rows:
            hint = "the file holds no records: is it complete?"
        elif report.empty:
            named = text if isinstance(text, str) else list(text)
            hint = f"`{self.section}.text` is {named!r}: is that where the texts are?"
        hint = (
            hint or f"none of its labels counts: does `{self.section}.label` name the right column?"
        )
        return DataError(f"no usable row: {'; '.join((report.lines()[0], *examples))}", hint)

    def _hint(self, share: float, examples: Sequence[str]) -> str:
        encoding = any(NOT_TEXT in example for example in examples)
        labels = any("unknown label" in example for example in examples)
        first = "correct them, or `task.labels`" if labels else "correct them"
        first = f"set `{self.section}.encoding`" if encoding else first
        enough = math.ceil(round(share * 100, 6)) / 100
        return f"{first}, or set `{self.section}.tolerate: {enough:g}` to go on without them"


NOT_TEXT = "bytes that are no text"
"""Words of the reason why a row is refused whose bytes do not fit the encoding of its file."""


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.3g} %"
