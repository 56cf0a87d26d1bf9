"""Tables in every shape in which they come in, written without loopd."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from openpyxl import Workbook
from pyarrow import parquet

Cells = Sequence[str]
Write = Callable[[Path, Cells, Sequence[Cells]], Path]


@dataclass(frozen=True)
class Shape:
    """A way in which a table is written.

    Attributes:
        write: writes it into a folder.
        letters: what its encoding can hold besides ASCII.
        twins: whether two columns may have one name.
        encoding: that has to be stated, as what it holds here is no language.
    """

    write: Write
    letters: str = "äß€ 日本😀"
    twins: bool = False
    encoding: str | None = None


def _csv(
    delimiter: str, encoding: str, end: str, *, bom: bytes = b"", all_quoted: bool = False
) -> Write:
    def write(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
        text = io.StringIO(newline="")
        quoting: Any = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
        # A carriage return in a cell is only quoted where it may be part of a line end.
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
        writer.writerow(header)
        writer.writerows(rows)
        whole = text.getvalue()
        if end != "\r\n" and "\r\n" not in "".join(cell for row in rows for cell in row):
            whole = whole.replace("\r\n", end)
        path = folder / ("in.tsv" if delimiter == "\t" else "in.csv")
        path.write_bytes(bom + whole.encode(encoding))
        return path

    return write


def _jsonl(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
    path = folder / "in.jsonl"
    lines = (json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def _json(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
    path = folder / "in.json"
    path.write_text(json.dumps([dict(zip(header, row, strict=True)) for row in rows]), "utf-8")
    return path


def _parquet(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
    path = folder / "in.parquet"
    columns = [pa.array([row[index] for row in rows], pa.string()) for index in range(len(header))]
    parquet.write_table(pa.table(columns, names=list(header)), path)
    return path


def _xlsx(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
    book = Workbook()
    book.active.append(list(header))
    for row in rows:
        book.active.append([cell or None for cell in row])
    for cell in (cell for row in book.active.iter_rows() for cell in row if cell.value is not None):
        cell.data_type = "s"  # also where it begins as a formula does
    path = folder / "in.xlsx"
    book.save(path)
    return path


def _saved(folder: Path, header: Cells, rows: Sequence[Cells]) -> Path:
    import datasets

    path = folder / "saved"
    columns = {name: [row[index] for row in rows] for index, name in enumerate(header)}
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(columns).save_to_disk(str(path))
    datasets.enable_progress_bars()
    return path


SHAPES: dict[str, Shape] = {
    "comma": Shape(_csv(",", "utf-8", "\n"), twins=True),
    "semicolon": Shape(_csv(";", "utf-8", "\r\n"), twins=True),
    "cp1252": Shape(_csv(";", "cp1252", "\r\n"), letters="äß€", twins=True, encoding="cp1252"),
    "tab": Shape(_csv("\t", "utf-8", "\n"), twins=True),
    "quoted": Shape(_csv(",", "utf-8", "\n", all_quoted=True), twins=True),
    "bom": Shape(_csv(",", "utf-8", "\r\n", bom=codecs.BOM_UTF8), twins=True),
    "utf-16": Shape(_csv("\t", "utf-16-le", "\r\n", bom=codecs.BOM_UTF16_LE), twins=True),
    "jsonl": Shape(_jsonl),
    "json": Shape(_json),
    "parquet": Shape(_parquet),
    "xlsx": Shape(_xlsx, twins=True),
    "saved": Shape(_saved),
}


def read_out(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Header and cells of a table that loopd wrote, read without loopd; nothing is empty text."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        return header, [list(row) for row in rows]
    if path.suffix == ".jsonl":
        items = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
        return list(items[0]), [
            ["" if cell is None else cell for cell in i.values()] for i in items
        ]
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        cells = zip(*(column.to_pylist() for column in table.columns), strict=True)
        return table.column_names, [["" if cell is None else cell for cell in row] for row in cells]
    from openpyxl import load_workbook

    lines = [list(row) for row in load_workbook(path).active.iter_rows(values_only=True)]
    return lines[0], [["" if cell is None else cell for cell in row] for row in lines[1:]]
