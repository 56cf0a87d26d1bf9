"""Owns how the records of a dataset become the texts of a pool; must not send anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from loopd.annotation import record_schema
from loopd.annotation.record_schema import MetadataNames
from loopd.config import PoolSection
from loopd.data.cells import Labels, cells_of
from loopd.data.collector import Collector, ReadingOptions
from loopd.data.columns import Columns
from loopd.data.pool import Pool
from loopd.data.report import AnswerCounts, Limits, ReadingReport
from loopd.data.source import ParsedRow, Source
from loopd.data.usable import id_trouble
from loopd.tasks.task import Task

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """What is to be read of the records.

    Attributes:
        section: which name holds the known labels, if any, and how much may be unusable.
        task: says which field holds the text.
        labels: of the task.
        none_label: several labels: the name that stands for "no label applies".
    """

    section: PoolSection
    task: Task
    labels: tuple[str, ...]
    none_label: str | None = None


def texts_of(
    records: Iterable[Json], names: MetadataNames, options: PoolOptions
) -> tuple[Pool, ReadingReport]:
    """The pool that the records are, in their order, and what became of them.

    A text is what people read: escapes are undone. Records of the same text are one, with the id of
    the first. An id is the record's external one, or Argilla's where it has none that can be used.
    Copies with which loopd asks for second opinions are left out.

    Args:
        records: with responses.
        names: of loopd's metadata in the dataset.
        options: what is to be read.

    Raises:
        DataError: nothing is left, or too much of it cannot be used.
    """
    submitted = 0
    source = Source(_name(options.section), "record", (), (), (), lambda _: iter(()))
    collector = Collector(source, _reading_options(options))
    for number, record in enumerate(_originals(records, names), start=1):
        collector.add(_row(number, record, options))
        responses = record.get("responses") or ()
        submitted += sum(response["status"] == "submitted" for response in responses)
    pool, report = collector.finish()
    return pool, replace(report, said=AnswerCounts(read=submitted))


def _name(section: PoolSection) -> str:
    there = section.argilla
    return f"dataset `{there.dataset}`" if there is not None else "the dataset"


def _reading_options(options: PoolOptions) -> ReadingOptions:
    section, label = options.section, options.section.label
    return ReadingOptions(
        Columns(options.task.field_name, "id", label),
        cells_of(options.task.kind, Labels(options.labels, options.none_label), section.separator),
        section.annotator,
        options.labels,
        limits=Limits("pool", section.tolerate),
    )


def _originals(records: Iterable[Json], names: MetadataNames) -> Iterator[Json]:
    for record in records:
        if "second_opinion_of" not in names.ours(record.get("metadata")):
            yield record


def _row(number: int, record: Json, options: PoolOptions) -> ParsedRow:
    external_id = record.get("external_id")
    usable = external_id is not None and id_trouble(external_id) is None
    field_value = record["fields"].get(options.task.field_name)
    text = field_value
    if isinstance(field_value, str):
        text = record_schema.readings(options.task, field_value)[-1]
    record_id = external_id if usable else record["id"]
    return ParsedRow(number, text, record_id, _label(record, options.section.label))


def _label(record: Json, name: object) -> object:
    """The cell of that name, among the metadata or the fields."""
    if not isinstance(name, str):
        return None
    metadata = record.get("metadata") or {}
    return metadata.get(name, record["fields"].get(name))
