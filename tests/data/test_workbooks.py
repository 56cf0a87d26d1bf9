"""Excel workbooks as texts: sheets, headers, kinds of cells, and what is no workbook."""

from __future__ import annotations

import datetime as dt
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from loopd.config.data import PoolSection
from loopd.data.reading import read_pool
from loopd.data.workbooks import workbook_source
from loopd.errors import DataError

ROWS: list[list[Any]] = [
    ["id", "text", "note", "note"],
    [1, "Grüße", None, "x"],
    [2, "b\nc", True, 2.5],
]


def write(
    path: Path, *sheets: tuple[str, Sequence[Sequence[Any]]], hidden: tuple[str, ...] = ()
) -> Path:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    book.save(path)
    return path


def read(path: Path, **settings: Any) -> Any:
    return read_pool(PoolSection(path=path, **settings), labels=("a", "b"))


def test_a_workbook_is_a_pool(tmp_path: Path) -> None:
    pool, report = read(write(tmp_path / "a.xlsx", ("One", ROWS)), id="id")
    assert [(record.id, record.text) for record in pool] == [("1", "Grüße"), ("2", "b\nc")]
    assert report.is_whole


def test_rows_keep_all_cells_in_order(tmp_path: Path) -> None:
    source = workbook_source(write(tmp_path / "a.xlsx", ("One", ROWS)))
    assert source.columns == ("id", "text", "note", "note")
    assert [row.values for row in source.read(None)] == [tuple(row) for row in ROWS[1:]]
    assert [row.number for row in source.read(None)] == [2, 3]


def test_empty_rows_around_and_cells_at_the_end_are_passed_over(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        [None],
        ["text", "more", None],
        [None],
        ["x", None, None],
        [None, "y"],
        [None],
        [None],
    ]
    source = workbook_source(write(tmp_path / "a.xlsx", ("One", rows)))
    assert source.columns == ("text", "more")
    assert [(row.number, row.values) for row in source.read(None)] == [
        (3, (None, None)), (4, ("x", None)), (5, (None, "y")),
    ]  # fmt: skip


def test_cells_beyond_the_header_get_their_row_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ("One", [["text"], ["x", "y"], ["z"]]))
    pool, report = read(path, tolerate=0.5)
    assert (len(pool), report.refused) == (1, 1)
    assert "row 2: 2 cells where the header has 1" in report.examples


def test_a_day_is_a_day_and_a_formula_what_it_gives(tmp_path: Path) -> None:
    day, moment = dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 5, 12)  # noqa: DTZ001 - Excel has none
    path = write(tmp_path / "a.xlsx", ("One", [["text"], [day], [moment], ["=1+1"], ["z"]]))
    cells = [row.values[0] for row in workbook_source(path).read(None)]
    assert cells == [dt.date(2026, 1, 5), moment, None, "z"]  # nobody has worked it out


def test_carriage_returns_are_read_as_excel_means_them(tmp_path: Path) -> None:
    pool, _ = read(write(tmp_path / "a.xlsx", ("One", [["text"], ["a_x000D_\nb"]])))
    assert pool.texts == ["a\r\nb"]


def test_the_first_sheet_with_cells_that_people_see_is_read(tmp_path: Path) -> None:
    sheets = [
        ("H", [["text"], ["h"]]),
        ("E", []),
        ("A", [["text"], ["a"]]),
        ("B", [["text"], ["b"]]),
    ]
    path = write(tmp_path / "a.xlsx", *sheets, hidden=("H",))
    pool, report = read(path)
    assert pool.texts == ["a"]
    assert report.notes == ("of the sheets 'A', 'B' the first is read; `split` names another",)
    assert read(path, split="B")[0].texts == ["b"]
    assert read(path, split="H")[0].texts == ["h"]
    with pytest.raises(DataError, match=r"no sheet 'C'; it has 'H', 'E', 'A', 'B'"):
        read(path, split="C")


def test_without_openpyxl_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.xlsx", ("One", ROWS))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match="needs openpyxl") as caught:
        read(path)
    assert "xlsx]" in (caught.value.hint or "")


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")


def _half(path: Path) -> None:
    write(path, ("One", ROWS))
    path.write_bytes(path.read_bytes()[:2000])


def _no_xml(path: Path) -> None:
    write(path, ("One", ROWS))
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, b"<x" if "sheet1" in name else content)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_archive, "no Excel workbook"),
        (_half, "no Excel workbook"),
        (_no_xml, "no Excel workbook"),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" * 99), "with a password"),
        (lambda path: path.write_text("text\nx\n"), "no Excel workbook"),
        (lambda path: path.write_bytes(b""), "no Excel workbook"),
        (lambda path: write(path, ("One", [])), "is empty"),
    ],
)
def test_what_is_no_workbook_is_refused_in_one_line(tmp_path: Path, make: Any, reason: str) -> None:
    path = tmp_path / "a.xlsx"
    make(path)
    with pytest.raises(DataError, match=reason) as caught:
        read(path)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_workbook_called_csv_is_to_be_called_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ("One", ROWS)).rename(tmp_path / "a.csv")
    with pytest.raises(DataError) as caught:
        read(path)
    assert ".xlsx" in (caught.value.hint or "")
