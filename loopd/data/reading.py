"""Owns turning a data source into a clean pool; must not know models, servers or the loop.

What cannot be used is counted and reported, never fatal: Argilla, SQLite and JSON accept every
record that remains. What is ambiguous (one id for two texts, unknown labels of a test set) ends
with an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from loopd.config import DataSection
from loopd.data.cells import Labels, cells_of
from loopd.data.collector import Collector, ReadingOptions
from loopd.data.columns import Names, columns_of, request_of
from loopd.data.conll import SUFFIXES, conll_source
from loopd.data.csv_files import csv_source
from loopd.data.formats.contract import Request
from loopd.data.formats.registry import TOOLS, format_of, notes
from loopd.data.json_files import json_source
from loopd.data.pool import Pool, content_id
from loopd.data.pool_files import complete, is_many
from loopd.data.report import EXAMPLES, NOTHING_BEFORE, Limits, ReadBefore, ReadingReport
from loopd.data.several_files import read_files
from loopd.data.source import Source, SourceRow
from loopd.data.tables import hub_source, parquet_source, saved_source
from loopd.data.text_files import ARCHIVE, refuse_other_files, text_file
from loopd.data.tokens import token_rows
from loopd.data.usable import LONGEST_TEXT
from loopd.data.workbooks import SUFFIXES as WORKBOOKS
from loopd.data.workbooks import workbook_source
from loopd.errors import DataError
from loopd.records import PoolId

__all__ = ["LONGEST_TEXT", "ReadingReport", "content_id", "leaks", "open_source", "read_pool"]


def read_pool(  # noqa: PLR0913 (what to read, by keyword)
    section: DataSection,
    *,
    labels: tuple[str, ...] | None,
    kind: str = "single_label",
    none_label: str | None = None,
    gold_column: Names = None,
    require_gold: bool = False,
    legacy: bool = False,
    scratch: Path | None = None,
    before: ReadBefore = NOTHING_BEFORE,
) -> tuple[Pool, ReadingReport]:
    """Read a set of texts: of a folder or a pattern what all of its files hold together.

    Args:
        section: where it is and how its columns are called.
        labels: the labels of the task, or ``None`` to take any.
        kind: what a label cell holds: ``single_label``, ``multi_label`` or ``spans``.
        none_label: multi label: the name that stands for "no label applies".
        gold_column: column of known labels, instead of the one in the section.
        require_gold: a test set: every kept record has a label, and one that cannot be used is an
            error. Otherwise it counts as none.
        legacy: read as versions did that took escapes in workbooks (``_x0009_``) as they stand, and
            texts of several parts of which nothing can be seen: for runs that they began.
        scratch: where what is complete of a file is copied to, whose last line has no end yet;
            ``None`` to read all of it.
        before: what was read of the pool before, where this is one more file of it.

    Raises:
        DataError: missing, broken or empty source, missing column, one id for two texts, labels
            of a test set that cannot be used, or too much that is lost.
    """
    read = partial(
        _read_one,
        labels=labels,
        kind=kind,
        none_label=none_label,
        gold_column=gold_column,
        require_gold=require_gold,
        legacy=legacy,
        scratch=scratch,
        before=before,
    )
    is_one = section.path is None or not is_many(section.path)
    return read(section) if is_one else read_files(section, read)


def _read_one(  # noqa: PLR0913 (as read_pool)
    section: DataSection,
    *,
    labels: tuple[str, ...] | None,
    kind: str,
    none_label: str | None,
    gold_column: Names,
    require_gold: bool,
    legacy: bool,
    scratch: Path | None,
    before: ReadBefore,
) -> tuple[Pool, ReadingReport]:
    """The texts of one file or data set; see :func:`read_pool`."""
    columns = columns_of(section, gold_column)
    if require_gold and not columns.label:
        raise DataError("no column of known labels is named", "set `label` to the column's name")
    name = "test" if require_gold else "pool"
    options = ReadingOptions(
        columns,
        cells_of(kind, Labels(labels, none_label), section.separator),
        section.annotator,
        labels,
        require_gold,
        Limits(name, section.tolerate, before),
        legacy,
    )
    request = request_of(section, columns, labels=labels, kind=kind, is_test=require_gold)
    with complete(section.path, scratch) as path:
        there = section.model_copy(update={"path": path})
        source = open_source(there, kind, f"{name}.encoding", legacy=legacy)
        return _collected(source, request, options)


def _collected(
    source: Source, request: Request, options: ReadingOptions
) -> tuple[Pool, ReadingReport]:
    """The pool that the rows of a source make, in whichever format they are written."""
    form = format_of(source, request)
    source = replace(
        source,
        notes=(*source.notes, *notes(source, request, form)),
        written_by=form.title if form in TOOLS else "",
    )
    collector = Collector(source, options)
    remarks: dict[int, str] = {}
    rows = form.rows(_watched(source, remarks), request)
    for row in token_rows(rows, source.name, source.unit) if request.kind == "spans" else rows:
        collector.add(row)
    return collector.finish(_remarks(source, remarks))


def _watched(source: Source, remarks: dict[int, str]) -> Source:
    """A source whose remarks about rows are noted as they pass, by line or row."""

    def read(names: Collection[str] | None) -> Iterator[SourceRow]:
        for row in source.read(names):
            if row.remark:
                remarks[row.number] = row.remark
            yield row

    return replace(source, read=read)


def _remarks(source: Source, remarks: dict[int, str]) -> tuple[str, ...]:
    """The first remarks, and how many more there are."""
    lines = [f"{source.unit} {number}: {remark}" for number, remark in remarks.items()]
    more = (f"and so are {len(lines) - EXAMPLES} more",) if len(lines) > EXAMPLES else ()
    return (*lines[:EXAMPLES], *more)


def leaks(pool: Pool, test: Pool) -> tuple[PoolId, ...]:
    """Ids of pool texts that also occur in the test set, whatever their case and white space."""
    pool_texts = {_normal(text) for text in test.texts}
    texts = zip(pool.ids, pool.texts, strict=True)
    return tuple(id_ for id_, text in texts if _normal(text) in pool_texts)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def open_source(
    section: DataSection,
    kind: str = "single_label",
    key: str = "pool.encoding",
    *,
    legacy: bool = False,
) -> Source:
    """Open what a section names, and read its first rows.

    Args:
        section: where it is; of the columns only the name of the texts' tells how to read it.
        kind: of the task.
        key: of the configuration, which states the encoding.
        legacy: see :func:`read_pool`.

    Raises:
        DataError: missing, broken, or of a kind that cannot be told.
    """
    if section.path is None:
        return hub_source(section.hub or "", section.hub_config, section.split)
    path = section.path
    if not _exists(path):
        raise DataError(f"no file {path}", _neighbour(path))
    if path.is_dir():
        return saved_source(path, section.split)
    if legacy and path.suffix.lower() in WORKBOOKS:
        return workbook_source(path, section.split, legacy=True)
    return _open_file(path, section, kind, key)


def _open_file(path: Path, section: DataSection, kind: str, key: str) -> Source:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] in ([".gz"], [".gzip"], [".zst"]) and len(suffixes) > 1
    suffix = suffixes[-2] if packed else path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return parquet_source(path)
    if suffix in WORKBOOKS:
        refuse_other_files(path, but=ARCHIVE)
        return workbook_source(path, section.split)
    if suffix in (".csv", ".tsv"):
        return csv_source(text_file(path, section.encoding, key), section.text_columns[0])
    if suffix in (".jsonl", ".ndjson", ".json"):
        return json_source(text_file(path, section.encoding, key), section.text_columns[0])
    if suffix not in SUFFIXES:
        refuse_other_files(path)
        raise DataError(
            f"{path.name}: cannot tell the format from the name",
            "use .csv, .xlsx, .jsonl, .conll, .parquet, or a folder made by save_to_disk",
        )
    if kind != "spans":
        raise DataError(f"{path.name} holds tagged tokens", "set task.type to `spans` to read it")
    return conll_source(text_file(path, section.encoding, key))


def _exists(path: Path) -> bool:
    """Whether it is there.

    Raises:
        DataError: no file can have such a name, or it may not be looked at.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "correct the path, or see the permissions of its folder"
        raise DataError(f"cannot read {str(path)[:200]}: {reason}", hint) from None
    return True


def _neighbour(path: Path) -> str:
    """A hint with the nearest file name in the folder of a missing file."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    names = [sibling.name for sibling in path.parent.iterdir()]
    match = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {match[0]}?" if match else "check the path in the configuration"
