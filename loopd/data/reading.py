"""Owns turning a data source into a clean pool; must not know models, servers or the loop.

What cannot be used is counted and reported, never fatal: Argilla, SQLite and JSON accept every
record that remains. What is ambiguous (one id for two texts, unknown labels of a test set) ends
with an error.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loopd.config import DataSection
from loopd.data.columns import BROKEN, Columns, Row, Source, columns_of, listing
from loopd.data.pool import Pool
from loopd.data.tables import hub_rows, parquet_rows, saved_rows
from loopd.data.text_files import csv_rows, jsonl_rows
from loopd.errors import DataError
from loopd.records import Record

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
        duplicates: rows whose text was there before; the first is kept.
        empty: rows without text.
        refused: rows that Argilla could not take, or that cannot be read.
        unlabeled: rows without a known label: dropped from a test set, kept in a pool; 0 where
            no label column was read.
        examples: a few of the rows that were left out, for people.
    """

    source: str
    rows: int
    kept: int
    duplicates: int
    empty: int
    refused: int
    unlabeled: int
    examples: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """The report for people: one line of counts, then the examples."""
        counts = [f"{self.rows:,} rows", f"{self.kept:,} kept"]
        for number, what in (
            (self.duplicates, "duplicates"),
            (self.empty, "empty"),
            (self.refused, "refused"),
            (self.unlabeled, "without a known label"),
        ):
            if number:
                counts.append(f"{number:,} {what}")
        return (f"{self.source}: {', '.join(counts)}", *(f"  {each}" for each in self.examples))


def read_pool(
    section: DataSection,
    *,
    labels: tuple[str, ...] | None,
    gold_column: str | None = None,
    require_gold: bool = False,
) -> tuple[Pool, ReadingReport]:
    """Read a set of texts.

    Args:
        section: where it is and how its columns are called.
        labels: the labels of the task, or ``None`` to take any.
        gold_column: column of known labels, instead of the one in the section.
        require_gold: a test set: every kept record has a label, and an unknown label is an error.
            Otherwise an unknown label counts as none.

    Raises:
        DataError: missing, broken or empty source, missing column, one id for two texts, or
            unknown labels in a test set.
    """
    columns = columns_of(section, gold_column)
    if require_gold and columns.label is None:
        raise DataError("no column of known labels is named", "set `label` to the column's name")
    source = _open(section, columns)
    collector = _Collector(source, columns, labels, require_gold)
    for row in source.rows:
        collector.add(row)
    return collector.finish()


def leaks(pool: Pool, test: Pool) -> tuple[str, ...]:
    """Ids of pool texts that also occur in the test set, whatever their case and white space."""
    known = {_normal(text) for text in test.texts}
    return tuple(record.id for record in pool if _normal(record.text) in known)


def content_id(text: str) -> str:
    """The id of a text that has none: ``t-`` and 16 hexadecimal digits, the same everywhere."""
    return f"t-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:16]}"


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _open(section: DataSection, columns: Columns) -> Source:
    if section.path is None:
        name = section.hub or ""
        return Source(name, "row", hub_rows(name, section.hub_config, section.split, columns))
    path = section.path
    if not path.exists():
        raise DataError(f"no file {path}", _neighbour(path))
    if path.is_dir():
        return Source(path.name, "row", saved_rows(path, section.split, columns))
    return _open_file(path, columns)


def _open_file(path: Path, columns: Columns) -> Source:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    match kind:
        case ".csv" | ".tsv":
            return Source(path.name, "line", csv_rows(path, columns))
        case ".jsonl" | ".ndjson" | ".json":
            return Source(path.name, "line", jsonl_rows(path, columns))
        case ".parquet" | ".pq":
            return Source(path.name, "row", parquet_rows(path, columns))
    raise DataError(
        f"{path.name}: cannot tell the format from the name",
        "use .csv, .jsonl (also .gz) or .parquet, or a folder made by save_to_disk",
    )


def _neighbour(path: Path) -> str:
    """A hint with the nearest file name in the folder of a missing file."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    names = [each.name for each in path.parent.iterdir()]
    match = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {match[0]}?" if match else "check the path in the configuration"


@dataclass(slots=True)
class _Collector:
    """Takes rows one by one and keeps what can be used."""

    source: Source
    columns: Columns
    labels: tuple[str, ...] | None
    require_gold: bool
    records: list[Record] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    """Place of each kept text."""
    ids: dict[str, int] = field(default_factory=dict)
    """Place of each kept id."""
    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    known: frozenset[str] | None = None

    def __post_init__(self) -> None:
        self.known = None if self.labels is None else frozenset(self.labels)

    def add(self, row: Row) -> None:
        place, raw_text, raw_id, raw_label = row
        self.counts["rows"] += 1
        text = raw_text if isinstance(raw_text, str) else _cell(raw_text)
        trouble = _text_trouble(raw_text, text, raw_id)
        if trouble:
            self._leave_out(trouble[0], place, trouble[1])
            return
        record_id = content_id(text) if self.columns.id is None else _cell(raw_id)
        problem = _id_trouble(record_id)
        if problem:
            self._leave_out("refused", place, problem)
        elif not self._repeats(place, record_id, text):
            self._keep(place, record_id, text, raw_label)

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

    def _keep(self, place: int, record_id: str, text: str, raw_label: object) -> None:
        gold = self._gold(place, raw_label)
        if gold is None and self.columns.label is not None:
            self._leave_out("unlabeled", place, None)
            if self.require_gold:
                return
        self.ids[record_id] = place
        self.texts[text] = place
        self.records.append(Record(record_id, text, gold))

    def _gold(self, place: int, raw_label: object) -> str | None:
        label = _cell(raw_label).strip()
        if label and self.known is not None and label not in self.known:
            self.unknown[label] += 1
            self._example("unlabeled", place, f"unknown label {label[:40]!r}")
            return None
        return label or None

    def _leave_out(self, kind: str, place: int, reason: str | None) -> None:
        self.counts[kind] += 1
        if reason is not None:
            self._example(kind, place, reason)

    def _example(self, kind: str, place: int, reason: str) -> None:
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(f"{self.source.unit} {place}: {reason}")

    def finish(self) -> tuple[Pool, ReadingReport]:
        if self.require_gold and self.unknown:
            raise self._unknown_labels()
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


def _cell(value: object) -> str:
    """A cell as text: nothing is empty, whole floats lose their point, booleans are lower case."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_cell(value)
    return "" if value is None else str(value)


def _float_cell(value: float) -> str:
    if math.isnan(value):  # what pandas writes for an empty cell
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def _text_trouble(raw: object, text: str, reason: object) -> tuple[str, str | None] | None:
    """Why a text is left out, as (kind, reason), or ``None``."""
    if raw is BROKEN:
        return "refused", str(reason)
    if isinstance(raw, (list, dict, tuple, bytes)):
        return "refused", f"the text is a {type(raw).__name__}"
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
