"""Owns what several files hold together, as one pool; must not open any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.pool_files import pool_files
from loopd.data.report import EXAMPLES, AnswerCounts, ReadingReport
from loopd.errors import DataError
from loopd.records import PoolId, Record

Section = TypeVar("Section", bound=DataSection)
Read = Callable[[Section], tuple[Pool, ReadingReport]]


def read_files(section: Section, read: Read[Section]) -> tuple[Pool, ReadingReport]:
    """The texts of all files that a section stands for, in the order of their names.

    Of a text in two files the first one counts. A file without a byte is none.

    Args:
        section: whose path is a folder or a pattern.
        read: reads the section of one file.

    Raises:
        DataError: no file, one that cannot be used, or one id for two texts.
    """
    path = section.path or Path()
    files = [file for file in pool_files(path) if file.stat().st_size]
    if not files:
        raise DataError(
            f"no file to read in {path}",
            "name a file, a folder of CSV, JSONL or Parquet files, or a pattern such as "
            "tickets/*.csv",
        )
    parts = [read(section.model_copy(update={"path": file})) for file in files]
    records, duplicates = _distinct(
        [(file.name, pool) for file, (pool, _) in zip(files, parts, strict=True)]
    )
    report = summed([report for _, report in parts], _names(files))
    duplicates += report.duplicates
    return Pool(records), replace(report, kept=len(records), duplicates=duplicates)


def summed(reports: Sequence[ReadingReport], source: str) -> ReadingReport:
    """What became of the rows of several files together.

    Args:
        reports: of each, at least one.
        source: how messages call them together.
    """
    if len(reports) == 1:
        return reports[0]

    def total(name: str) -> int:
        return sum(getattr(report, name) for report in reports)

    numbers = ("rows", "kept", "duplicates", "empty", "refused", "unlabeled", "merged")
    return ReadingReport(
        source=source,
        **{name: total(name) for name in numbers},
        examples=_told([report.examples for report in reports], reports),
        said=_together([report.said for report in reports]),
        known=_together([report.known for report in reports]),
        notes=_told([report.notes for report in reports], reports),
        written_by=next((report.written_by for report in reports if report.written_by), ""),
    )


def _distinct(pools: Sequence[tuple[str, Pool]]) -> tuple[tuple[Record, ...], int]:
    """The records of all files, and how many were left out because their text was there."""
    records: list[Record] = []
    id_by_text: dict[str, PoolId] = {}
    file_by_id: dict[PoolId, tuple[str, str]] = {}
    duplicates = 0
    for file, pool in pools:
        for record in pool:
            before = file_by_id.setdefault(record.id, (file, record.text))
            if before[1] != record.text:
                raise DataError(
                    f"id {record.id[:60]!r} stands for two texts, in {before[0]} and in {file}",
                    "ids must be unique; leave `id` empty to have them made from the texts",
                )
            if record.text in id_by_text:
                duplicates += 1
            else:
                id_by_text[record.text] = record.id
                records.append(record)
    return tuple(records), duplicates


def _told(lines: Sequence[Sequence[str]], reports: Sequence[ReadingReport]) -> tuple[str, ...]:
    """Lines of all files with the name of theirs, the first ones."""
    named = [
        f"{report.source}: {line}"
        for report, some in zip(reports, lines, strict=True)
        for line in some
    ]
    return tuple(named[: 2 * EXAMPLES])


def _together(counts: Sequence[AnswerCounts]) -> AnswerCounts:
    names = [field.name for field in fields(AnswerCounts) if field.name != "withheld"]
    withheld: Counter[str] = Counter()
    for count in counts:
        withheld.update(dict(count.withheld))
    numbers = {name: sum(getattr(count, name) for count in counts) for name in names}
    return AnswerCounts(**numbers, withheld=tuple(sorted(withheld.items())))


def _names(files: Sequence[Path]) -> str:
    """How messages call several files."""
    if len(files) == 1:
        return files[0].name
    return f"{len(files)} files from {files[0].name} to {files[-1].name}"
