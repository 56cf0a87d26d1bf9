"""A table that came in goes out: every row and column once, in order, whatever its shape."""

from __future__ import annotations

import csv
import datetime as dt
import math
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.config.data import PoolSection
from loopd.data.incoming import Incoming, incoming
from loopd.data.outgoing import Column, write_table
from loopd.data.reading import read_pool
from loopd.errors import ConfigError, DataError
from loopd.export.table import ADDED, LabelCells, free_names, rows
from loopd.export.text_labels import TextLabel
from tests.export.shapes import SHAPES, read_out

LABELS = ("a", "b")
OUT = ("csv", "jsonl", "parquet", "xlsx")


def labelled(table: Incoming) -> dict[str, TextLabel]:
    return {line.text: TextLabel("a", "model", 0.75, "b") for line in table.lines}


def went_through(
    path: Path, out: Path, **pool: Any
) -> tuple[Incoming, tuple[list[str], list[list[Any]]]]:
    table = incoming(PoolSection(path=path, **pool), "single_label", LABELS)
    cells = LabelCells("single_label", "|", None, lists=out.suffix in (".jsonl", ".parquet"))
    write_table(out, cells.columns(table.columns), rows(table, labelled(table), cells))
    return table, read_out(out)


def texts_of(letters: str) -> st.SearchStrategy[str]:
    return st.text(st.sampled_from(f"ab ,;\"'|=+0\n\r{letters}"), max_size=6)


@st.composite
def tables(draw: st.DrawFn, name: str) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    """Header, rows and the settings of a pool: one text column or several, ids or none."""
    shape = SHAPES[name]
    count = draw(st.integers(1, 3))
    texts = ["subject", "body", "answer"][:count]
    others = draw(st.permutations(["customer", "Label", "reason ", "1"]))
    others = others[: draw(st.integers(0, 4))]
    header = draw(st.permutations([*texts, *others]))
    if shape.twins and others and draw(st.booleans()):
        header = [*header, others[0]]
    cell = texts_of(shape.letters)
    body: list[list[str]] = draw(
        st.lists(st.lists(cell, min_size=len(header), max_size=len(header)), max_size=6)
    )
    filled = [draw(st.sampled_from("xyz")) + str(number) for number in range(len(body))]
    first = header.index(texts[0])
    for row, text in zip(body, filled, strict=True):
        row[first] = f"{text}{row[first]}"
    has_twin = draw(st.booleans())
    if body and has_twin:
        body.append(list(body[0]))
    for row in body[:-1]:  # behind the last row of a workbook there are none
        if draw(st.integers(0, 4)) == 0:
            for text in texts:
                row[header.index(text)] = draw(st.sampled_from(["", " "]))
    if draw(st.booleans()):
        header = ["id", *header]
        body = [[f"r{number}", *row] for number, row in enumerate(body)]
    shown = [other for other in others if header.count(other) == 1]
    pool: dict[str, Any] = {"text": texts, "show": shown[:2], "encoding": shape.encoding}
    return list(header), body, pool | ({"id": "id"} if header[0] == "id" else {})


NOT_READ = {f"{count} cells where the header has 1" for count in range(2, 20)}


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_row_and_column_comes_out_once_and_in_order(name: str, data: st.DataObject) -> None:
    header, body, pool = data.draw(tables(name))
    body = body or [["x"] * len(header)]
    with tempfile.TemporaryDirectory() as folder:
        path = SHAPES[name].write(Path(folder), header, body)
        out = Path(folder) / f"out.{data.draw(st.sampled_from(OUT))}"
        table, (names, cells) = went_through(path, out, **pool)
    own = len(header)
    kept = header if out.suffix in (".csv", ".xlsx") else names[:own]
    assert (names[:own], len(names)) == (kept, own + len(ADDED))
    assert [name.partition("_")[0] for name in kept] == [name.partition("_")[0] for name in header]
    if ".xlsx" in (out.suffix, path.suffix):  # XML has one kind of line end
        body = [[cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in body]
    assert [row[:own] for row in cells] == body
    blank = {"there is no text"}
    # A lone column that holds every delimiter may not be read; it comes out all the same.
    assert {row[own] or row[-1] for row in cells} <= {"a"} | blank | (
        NOT_READ if own == 1 else set()
    )
    for row in cells:
        assert bool(row[own]) == (row[-1] == "")
    assert not {name.strip().casefold() for name in header} & set(names[own:])
    assert table.columns == tuple(header)


@given(
    st.lists(st.sampled_from(["label", "LABEL", " source", "loopd_label", "loopd2_reason", "x"]))
)
def test_added_columns_have_names_of_their_own(names: list[str]) -> None:
    added = free_names(names)
    assert len(set(added)) == len(ADDED)
    assert not {name.strip().casefold() for name in names} & set(added)
    assert all(name.endswith(plain) for name, plain in zip(added, ADDED, strict=True))


def test_what_a_pool_leaves_out_comes_out_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(
        b"id,text,n\n1,fine,x\n2,,x\n3,one,too,many\n4,\xff\xfe bad,x\n5\n,no id,x\n7,fine,y\n"
    )
    pool = {"id": "id", "encoding": "utf-8", "tolerate": 1}
    kept, report = read_pool(PoolSection(path=path, **pool), labels=LABELS)
    table, (_, cells) = went_through(path, tmp_path / "out.csv", **pool)
    assert [row[0] for row in cells] == ["1", "2", "3", "4", "5", "", "7"]
    assert [bool(row[3]) for row in cells] == [True, False, False, False, False, False, True]
    assert [row[-1] for row in cells] == [
        "", "there is no text", "4 cells where the header has 3: 'many'",
        "the text holds bytes that are no text", "1 cells where the header has 3",
        "the id is empty", "",
    ]  # fmt: skip
    assert sum(not line.reason for line in table.lines) == len(kept) + report.duplicates


def test_a_key_that_comes_late_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    early = "".join(f'{{"text": "t{number}"}}\n' for number in range(300))
    path.write_text(early + '{"text": "z", "late": {"k": [1, null]}}\n')
    _, (names, cells) = went_through(path, tmp_path / "out.csv")
    assert names[:2] == ["text", "late"]
    assert cells[-1][:2] == ["z", '{"k": [1, null]}']


def test_a_text_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name, content in {"a.csv": "x,y\n1,2\n", "a.jsonl": '{"x": 1}\n'}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match="no column 'body'"):
            incoming(PoolSection(path=tmp_path / name, text="body"), "single_label", LABELS)


def test_a_table_that_changes_meanwhile_is_not_mixed_up(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\na\nb\n")
    table = incoming(PoolSection(path=path), "single_label", LABELS)
    for content in ("text\na\n", "text\na\nb\nc\n", 'text\n"a\n"\nb\n'):
        path.write_text(content)
        with pytest.raises(DataError, match="changed while it was read"):
            list(table.rows())


LINES = st.lists(st.text("ab,;| \t'=\u00e9", max_size=5), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]))
def test_every_line_of_a_lone_column_comes_out(lines: list[str], end: str) -> None:
    """Blank ones between two rows too, and what stands behind a delimiter."""
    lines = ["x", *lines, "y"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(end.join(["text", *lines, "", ""]).encode())
        _, (names, cells) = went_through(path, Path(folder) / "out.csv")
    assert names[0] == "text"
    assert [row[0] for row in cells] == lines


def test_lone_columns_are_read_as_before(tmp_path: Path) -> None:
    """What comes out is whole; the pool of an older run stays what it was."""
    path = tmp_path / "in.csv"
    path.write_text("text\na,\n\nb;c|d\ne,f\n\n")
    pool, report = read_pool(PoolSection(path=path, tolerate=1), labels=LABELS)
    assert pool.texts == ["a", "b;c|d"]
    assert (report.rows, report.refused, report.empty) == (3, 1, 0)
    table, (_, cells) = went_through(path, tmp_path / "out.csv")
    assert [row[0] for row in cells] == ["a,", "", "b;c|d", "e,f"]
    assert [line.text for line in table.lines] == ["a", "", "b;c|d", ""]
    assert [line.number for line in table.lines] == [2, 3, 4, 5]


# -- cells -----------------------------------------------------------------------------------------


FORMULAS = (
    "=1+1", "+49 123", "-x", "@SUM(A1)", "\tx", "\rx", "\nx", "=HYPERLINK(\"http://x\")", "- a",
    "\uff1d1", "+", "-1+1",
)  # fmt: skip
HARMLESS = ("a=1", "-5", "+1.5", "-1e3", "-,5", "'=1", "", " =1", "1-1", "\u2212x", "007")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_formulas_are_counted_and_come_out_unchanged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    cells = [*HARMLESS, *FORMULAS]
    columns, body = [Column("t"), Column("n")], [[cell, -5] for cell in cells]
    written = write_table(path, columns, body)
    assert (written.formulas.count, written.formulas.row) == (len(FORMULAS), len(HARMLESS) + 1)
    assert written.rows == len(cells)
    delimiter = "," if name == "a.csv" else "\t"
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows_out = csv.reader(file, delimiter=delimiter, strict=True)
    assert [row[0] for row in rows_out] == cells
    write_table(path, columns, body, for_excel=True)
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows_out = csv.reader(file, delimiter=delimiter, strict=True)
    assert [row[0] for row in rows_out] == [*HARMLESS, *(f"'{cell}" for cell in FORMULAS)]
    assert {row[1] for row in rows_out} == {"-5"}, "numbers are none"


def test_a_heading_may_be_a_formula_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    written = write_table(path, [Column("=1+1")], [["x"]])
    assert (written.formulas.count, written.formulas.row) == (1, 0)
    write_table(path, [Column("=1+1")], [["x"]], for_excel=True)
    assert path.read_text() == "'=1+1\nx\n"


@pytest.mark.parametrize("suffix", ["xlsx", "jsonl", "parquet"])
def test_where_text_is_text_nothing_is_a_formula(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    written = write_table(path, [Column("t")], [[cell] for cell in FORMULAS], for_excel=True)
    assert written.formulas.count == 0
    shown = [cell.replace("\r", "\n") if suffix == "xlsx" else cell for cell in FORMULAS]
    assert [row[0] for row in read_out(path)[1]] == shown


@pytest.mark.parametrize("suffix", OUT)
@pytest.mark.parametrize(
    ("cell", "count"),
    [("a\udcffb", 1), ("fine \u00e9 \U0001f600", 0), ({"k": ["a\ud800"]}, 1), ({"\udc80": 1}, 1)],
)
def test_what_is_no_text_is_counted(tmp_path: Path, suffix: str, cell: object, count: int) -> None:
    written = write_table(tmp_path / f"a.{suffix}", [Column("c")], [["x"], [cell]])
    assert (written.damaged.count, written.damaged.row) == (count, 2 if count else -1)


def test_controls_are_counted_where_excel_cannot_hold_them(tmp_path: Path) -> None:
    for suffix, count in (("xlsx", 1), ("csv", 0), ("jsonl", 0), ("parquet", 0)):
        written = write_table(tmp_path / f"a.{suffix}", [Column("c")], [["bell\x07"]])
        assert written.damaged.count == count, suffix


@pytest.mark.parametrize(
    "cell", ["_x0041_", "a_x000D_b", "_x005F_", "_x005F_x0041_", "__x00e9__", "_x41_", "_X0041_"]
)
def test_what_excel_would_read_as_a_sign_stays_what_it_is(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.xlsx"
    write_table(path, [Column("text"), Column(cell)], [[cell, "y"]])
    table = incoming(PoolSection(path=path), "single_label", LABELS)
    assert table.columns == ("text", cell)
    assert [values for _, values in table.rows()] == [(cell, "y")]


def test_labels_in_cells_are_read_again_as_they_are() -> None:
    several = LabelCells("multi_label", "|", None, lists=False)
    assert several.row(TextLabel(("a", "b"), "model", (0.9, 0.6), "c"))[:3] == (
        "a|b", "model", "0.9|0.6",
    )  # fmt: skip
    assert several.row(TextLabel((), "model", (0.5,)))[0] == "[]"
    assert several.row(TextLabel(("a|x",), "model", (0.5,)))[0] == '["a|x"]'
    assert LabelCells("multi_label", "|", "none", lists=False).row(TextLabel(()))[0] == "none"
    assert several.row(TextLabel(reason="why")) == (None, None, None, None, "why")
    assert LabelCells("multi_label", "|", None, lists=True).row(TextLabel(("a",), "model", (0.9,)))[
        :3
    ] == (["a"], "model", [0.9])


def test_numbers_days_and_formulas_stay_what_they_are(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    values = ["=1+1", "007", 2**60, 1.5, True, None, {"k": 1}, math.nan, "a\x07"]
    columns = [Column(str(number)) for number in range(len(values))]
    write_table(tmp_path / "a.xlsx", columns, [values])
    sheet = load_workbook(tmp_path / "a.xlsx").active
    cells = [cell.value for cell in sheet[2]]
    assert cells == ["=1+1", "007", str(2**60), 1.5, True, None, '{"k": 1}', None, "a\ufffd"]
    assert sheet["A2"].data_type == "s"


def test_columns_of_mixed_kinds_are_text_in_parquet(tmp_path: Path) -> None:
    rows_out: list[list[object]] = [[1, "x", None], ["two", None, None]]
    write_table(tmp_path / "a.parquet", [Column("n"), Column("n"), Column("e")], rows_out)
    names, cells = read_out(tmp_path / "a.parquet")
    assert (names, cells) == (["n", "n_2", "e"], [["1", "x", ""], ["two", "", ""]])


def test_what_excel_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="32,767"):
        write_table(tmp_path / "a.xlsx", [Column("t")], [["x" * 40_000]])
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def broken() -> Any:
        yield ["x"]
        raise ConfigError("half way")

    with pytest.raises(ConfigError):
        write_table(path, [Column("t")], broken())
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.csv", "old")]


@pytest.mark.parametrize("suffix", OUT)
def test_others_may_read_what_goes_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_table(path, [Column("t")], [["x"]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


DAY, MOMENT = dt.date(2024, 1, 1), dt.datetime.fromisoformat("2024-01-02T15:30")


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ([DAY, MOMENT], ["2024-01-01", "2024-01-02T15:30"]),
        ([MOMENT, DAY], ["2024-01-02T15:30", "2024-01-01"]),
        ([1.5, True], ["1.5", "true"]),
        ([{}, {}], ["{}", "{}"]),
        ([[{}], None], ["[{}]", ""]),
    ],
)
def test_what_parquet_has_no_one_kind_for_goes_out_as_text(
    cells: list[object], shown: list[str], tmp_path: Path
) -> None:
    write_table(tmp_path / "a.parquet", [Column("c")], [[cell] for cell in cells])
    _, rows_out = read_out(tmp_path / "a.parquet")
    for (cell,), start in zip(rows_out, shown, strict=True):
        assert isinstance(cell, str)
        assert cell.replace(" ", "T").startswith(start)
