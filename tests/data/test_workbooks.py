"""Excel workbooks as texts: sheets, headers, kinds of cells, and what is no workbook."""

from __future__ import annotations

import datetime as dt
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from loopd.config.data import PoolSection
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.data.reading import content_id, read_pool
from loopd.data.workbooks import workbook_source
from loopd.errors import DataError
from loopd.loop.data_sets import read_data
from loopd.records import Record
from tests.journals import begun_with

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


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("_x0041_", "A"), ("a_x000d_b", "a\rb"), ("_x005F_x0041_", "_x0041_"),
        ("_x00e9_", "\u00e9"),
        ("_x41_", "_x41_"), ("_X0041_", "_X0041_"), ("_x005F_x005F_x005F_x0041_", "_x005F_x0041_"),
    ],
)  # fmt: skip
def test_signs_that_are_stored_as_numbers_are_read(tmp_path: Path, stored: str, text: str) -> None:
    pool, _ = read(write(tmp_path / "a.xlsx", ("One", [["text"], [stored]])))
    assert pool.texts == [text]


ESCAPES = st.lists(
    st.sampled_from(["_x0041_", "_x005F_", "_x005f_", "_x005", "F_", "x005F_", "a", "_", " "]),
    min_size=1,
).map("".join)


def write_shared(path: Path, *rows: Sequence[str]) -> Path:
    """A workbook as Excel writes it: with all strings in one table."""
    cells = [cell for row in rows for cell in row]
    numbers = iter(range(len(cells)))
    write(path, ("One", [[next(numbers) for _ in row] for row in rows]))
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    table = "".join(f'<si><t xml:space="preserve">{cell}</t></si>' for cell in cells)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{SHEET_MAIN_NS}">{table}</sst>'.encode()
    sheet = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b' t="n"', b' t="s"')
    kind = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{SHARED_STRINGS}" /></Types>'
    types = parts["[Content_Types].xml"]
    parts["[Content_Types].xml"] = types.replace(b"</Types>", kind.encode())
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("_x005F_x0041_", "_x0041_"), ("_x0041_", "A"), ("a_x0009_b", "a\tb"),
        ("_x005F_x005F_x005F_x0041_", "_x005F_x0041_"), ("a_x005F_b", "a_b"), ("x005F_", "x005F_"),
        ("_xD83D__xDE00_", "\U0001f600"),
    ],
)  # fmt: skip
def test_shared_strings_are_unescaped_once(tmp_path: Path, stored: str, text: str) -> None:
    pool, _ = read(write_shared(tmp_path / "a.xlsx", ["text"], [stored]))
    assert pool.texts == [text]


@settings(max_examples=30, deadline=None)
@given(text=ESCAPES)
def test_a_shared_string_is_read_as_a_lone_one(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("strings")
    lone = write(folder / "lone.xlsx", ("One", [["text"], [text]]))
    shared = write_shared(folder / "shared.xlsx", ["text"], [text])
    rows = [[row.values for row in workbook_source(path).read(None)] for path in (lone, shared)]
    assert rows[0] == rows[1]


def test_a_run_of_before_goes_on_with_the_escapes_that_it_knows(tmp_path: Path) -> None:
    rows = [["text", "label"], ["a_x0009_b", "a"], ["c_x000D_d", "b"]]
    path = write_shared(tmp_path / "a.xlsx", *rows)
    section = {"path": path, "label": "label"}
    content = {"task": {"labels": ["a", "b"]}, "pool": section, "test": section}
    config, knew = parse_config(content, tmp_path), ["a_x0009_b", "c\rd"]
    before = Pool(tuple(Record(content_id(t), t, gold) for t, gold in zip(knew, "ab", strict=True)))
    data = read_data(config, begun_with(before.fingerprint, before.fingerprint))
    assert data.test is not None
    assert [data.pool.texts, data.test.texts] == [knew, knew]
    assert read_data(config).pool.texts == ["a\tb", "c\rd"]
    assert read_data(config, begun_with("another")).pool.texts == ["a\tb", "c\rd"]


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
