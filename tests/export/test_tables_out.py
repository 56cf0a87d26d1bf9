"""A table that came in goes out: every row and column once, in order, whatever its shape."""

from __future__ import annotations

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
    if draw(st.booleans()):
        header = ["id", *header]
        body = [[f"r{number}", *row] for number, row in enumerate(body)]
    if len(header) == 1:  # without a delimiter in its header a file is taken for one with commas
        body = [[cell.replace(",", "") for cell in row] for row in body]
    shown = [other for other in others if header.count(other) == 1]
    pool: dict[str, Any] = {"text": texts, "show": shown[:2], "encoding": shape.encoding}
    return list(header), body, pool | ({"id": "id"} if header[0] == "id" else {})


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
    assert {row[own] for row in cells} == {"a"}
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


# -- cells -----------------------------------------------------------------------------------------


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
