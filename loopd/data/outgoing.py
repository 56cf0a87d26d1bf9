"""Owns how a table is written: CSV, TSV, JSON Lines, Parquet or Excel, by the ending of its name.

The file appears whole or not at all. Must not know what the table holds. ``pyarrow`` and
``openpyxl`` are imported only when their files are written.
"""

from __future__ import annotations

import base64
import csv
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from loopd.data.unwritable import CONTROLS, HALVES, TEXT, Written, counted, disarmed
from loopd.data.workbooks import require_openpyxl
from loopd.errors import ConfigError, DataError

Rows = Iterable[Sequence[object]]

MOST_IN_CELL, MOST_ROWS, MOST_COLUMNS = 32_767, 1_048_576, 16_384
"""Characters of a cell, rows and columns that Excel takes."""

EXACT = 2**53
"""Whole numbers up to here are exact in Excel, which has no others than floats."""

_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""Begins what Excel reads as one sign, such as ``_x0041_``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that goes out.

    Attributes:
        name: its heading.
        kind: of its cells, for Parquet: ``text``, ``number``, ``texts``, ``numbers`` or ``spans``;
            empty where the cells tell.
    """

    name: str
    kind: str = ""


def refuse_other_names(path: Path) -> None:
    """Check that the name of a file tells how to write it, and that the package for it is there.

    Raises:
        ConfigError: it does not tell.
        DataError: the package is not installed.
    """
    if _suffix(path) not in _WRITERS:
        raise ConfigError(
            f"{path.name}: cannot tell from the name how to write it",
            f"end it with one of {', '.join(_WRITERS)}",
        )
    if _suffix(path) == ".xlsx":
        require_openpyxl("writing an Excel workbook")


def holds_lists(path: Path) -> bool:
    """Whether cells of the file can be lists; elsewhere they are text."""
    return _suffix(path) in (".jsonl", ".parquet")


def write_table(
    path: Path, columns: Sequence[Column], rows: Rows, *, for_excel: bool = False
) -> Written:
    """Write a table where nothing or an older file is.

    Args:
        path: the file; its ending is one that :func:`refuse_other_names` takes.
        columns: in order.
        rows: cells in the order of the columns, written as they come.
        for_excel: CSV and TSV: put an apostrophe before what a spreadsheet would take for a
            formula, so that it stays text there.

    Raises:
        DataError: the format cannot hold a cell, or so many.
        OSError: the disk is full or the place cannot be written.
    """
    written, suffix = Written(), _suffix(path)
    heading = [column.name for column in columns]
    watched = counted(rows, heading, written, suffix)
    if for_excel and suffix in TEXT:
        columns = [replace(column, name=str(disarmed(column.name))) for column in columns]
        watched = ([disarmed(cell) for cell in row] for row in watched)
    with _whole(path) as partial:
        _WRITERS[suffix](partial, columns, watched)
    return written


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside the wished one, which takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)


def _suffix(path: Path) -> str:
    return path.suffix.lower()


# -- text ------------------------------------------------------------------------------------------


def _write_csv(path: Path, columns: Sequence[Column], rows: Rows, delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        usual = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        # Python leaves a lone carriage return unquoted, which readers take for a line end.
        quoted = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in chain([[column.name for column in columns]], rows):
            texts = [_text(cell) for cell in row]
            (quoted if any("\r" in text for text in texts) else usual).writerow(texts)


def _write_tsv(path: Path, columns: Sequence[Column], rows: Rows) -> None:
    _write_csv(path, columns, rows, "\t")


def _write_jsonl(path: Path, columns: Sequence[Column], rows: Rows) -> None:
    names = distinct_names(columns)
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            item = dict(zip(names, map(_json, row), strict=True))
            file.write(_storable(json.dumps(item, ensure_ascii=False, default=_text)) + "\n")


def _text(cell: object) -> str:
    """A cell as text: nothing is empty, what is nested is JSON, bytes are Base64."""
    if isinstance(cell, str):
        return _storable(cell)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (list, tuple, dict)):
        return _storable(json.dumps(_json(cell), ensure_ascii=False, default=_text))
    return base64.b64encode(cell).decode() if isinstance(cell, bytes) else _storable(str(cell))


def _json(cell: object) -> object:
    """A cell as JSON has it, which has no number that is none."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, dict):
        return {_text(key): _json(value) for key, value in cell.items()}
    return [_json(value) for value in cell] if isinstance(cell, (list, tuple)) else cell


def _storable(text: str) -> str:
    return text if text.isascii() else HALVES.sub("\ufffd", text)


def distinct_names(columns: Sequence[Column]) -> list[str]:
    """Names of the columns, where no two may have the same."""
    names: list[str] = []
    for column in columns:
        name, number = _storable(column.name), 1
        while name in names:
            number += 1
            name = f"{_storable(column.name)}_{number}"
        names.append(name)
    return names


# -- tables ----------------------------------------------------------------------------------------


def _write_parquet(path: Path, columns: Sequence[Column], rows: Rows) -> None:
    from pyarrow import parquet

    parquet.write_table(arrow_table(columns, rows), path)


def arrow_table(columns: Sequence[Column], rows: Rows) -> Any:
    """A table as ``pyarrow`` has it: a column of mixed kinds is text."""
    import pyarrow as pa

    cells: list[list[object]] = [[] for _ in columns]
    for row in rows:
        for values, cell in zip(cells, row, strict=True):
            values.append(_storable(cell) if isinstance(cell, str) else cell)
    arrays = [_array(values, column.kind) for values, column in zip(cells, columns, strict=True)]
    return pa.table(arrays, names=distinct_names(columns))


def _array(values: Sequence[object], kind: str) -> Any:
    """A column of Arrow: of the kind that its cells are of, or else of text."""
    import pyarrow as pa

    borders = [("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())]
    types = {
        "text": pa.string(),
        "number": pa.float64(),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
        "spans": pa.list_(pa.struct(borders)),
    }
    if kind:
        return pa.array(values, types[kind])
    texts = [None if cell is None else _text(cell) for cell in values]
    kinds = {type(cell) for cell in values if cell is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array(texts, pa.string())
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return pa.array(texts, pa.string())
    return array if _can_be_written(array.type) else pa.array(texts, pa.string())


def _can_be_written(kind: Any) -> bool:
    """Whether Parquet has a type for a column: not for one of nothing, or of empty objects."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return _can_be_written(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_can_be_written(field.type) for field in kind)
    return not pa.types.is_null(kind)


def _write_xlsx(path: Path, columns: Sequence[Column], rows: Rows) -> None:
    from openpyxl import Workbook

    if len(columns) > MOST_COLUMNS:
        raise _too_much(f"{len(columns):,} columns", f"{MOST_COLUMNS:,}")
    book = Workbook(write_only=True)
    sheet = book.create_sheet("loopd")
    try:
        sheet.append([_cell(sheet, column.name) for column in columns])
        for number, row in enumerate(rows, start=2):
            if number > MOST_ROWS:
                raise _too_much("more rows", f"{MOST_ROWS:,}")
            sheet.append([_cell(sheet, cell) for cell in row])
    except BaseException:
        sheet.close()  # else openpyxl complains of what is left open
        raise
    book.save(path)


def _cell(sheet: Any, value: object) -> object:
    """A cell of a workbook: text is never a formula, and nothing is cut or rounded.

    Line ends are those of Excel: XML has no others.
    """
    from openpyxl.cell import WriteOnlyCell

    plain = _plain(value)
    if not isinstance(plain, str):
        return plain
    text = CONTROLS.sub("\ufffd", plain.replace("\r\n", "\n").replace("\r", "\n"))
    text = _ESCAPE.sub("_x005F_", text)
    if len(text.encode("utf-16-le")) > 2 * MOST_IN_CELL:
        raise _too_much(f"{len(text):,} characters in a cell", f"{MOST_IN_CELL:,}")
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


def _plain(value: object) -> object:
    """What Excel has a kind of cell for; all else is text."""
    import datetime as dt

    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _text(value)
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is None and value.year >= _FIRST_YEAR else str(value)
    if isinstance(value, dt.date):
        return value if value.year >= _FIRST_YEAR else str(value)
    return _text(value)


_FIRST_YEAR = 1901
"""Excel has no days before 1900, and one too many in that year."""


def _too_much(what: str, most: str) -> DataError:
    return DataError(f"Excel takes at most {most}, and there are {what}", "write .csv or .parquet")


_WRITERS: Mapping[str, Callable[[Path, Sequence[Column], Rows], None]] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}
