"""Nothing is lost quietly: rows, answers and labels are counted, and too much is an error."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.data.report import Limits, ReadingReport
from loopd.errors import DataError
from loopd.records import PoolId
from tests.fuzz.properties import HOW_OFTEN, holds

TOPICS = ("price", "service", "food")


def read(
    path: Path,
    cells: list[Any],
    *,
    column: str = "answers",
    labels: tuple[str, ...] = TOPICS,
    kind: str = "single_label",
    **keys: Any,
) -> tuple[Pool, ReadingReport]:
    rows = [{"text": f"text {n}", "y": cell} for n, cell in enumerate(cells)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_pool(DataSection(path=path, **{column: "y"}, **keys), labels=labels, kind=kind)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.jsonl"


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["answers", "label"])
def test_five_of_a_hundred_are_a_warning_and_six_an_error(path: Path, column: str) -> None:
    pool, report = read(path, ["food"] * 95 + ["fod"] * 5, column=column)
    assert len(pool) == 100
    assert not report.is_whole
    name = "" if column == "label" else "answer of 'imported': "
    examples = [f"line {n}: {name}unknown label 'fod', nearest is 'food'" for n in (96, 97, 98)]
    assert list(report.examples) == examples
    what = "labels" if column == "label" else "answers"
    assert f"95 {what}, 5 {what} that cannot be used" in report.lines()[0]
    with pytest.raises(DataError) as caught:
        read(path, ["food"] * 94 + ["fod"] * 6, column=column)
    assert caught.value.message.startswith(
        f"pool.jsonl: 6 of 100 {what} cannot be used, more than 5 %: line 95: "
    )
    assert caught.value.hint == (
        "correct them, or `task.labels`, or set `pool.tolerate: 0.06` to go on without them"
    )
    pool, _ = read(path, ["food"] * 94 + ["fod"] * 6, column=column, tolerate=0.06)
    assert len(pool) == 100


def test_a_small_file_has_no_room_of_its_own(path: Path) -> None:
    with pytest.raises(DataError, match="1 of 10 answers cannot be used"):
        read(path, ["food"] * 9 + ["fod"])
    with pytest.raises(DataError, match="1 of 1 answers cannot be used"):
        read(path, ["fod"])


def test_what_all_is_lost_is_never_whole(path: Path) -> None:
    _, report = read(path, ["fod"] * 3, tolerate=1)
    assert (report.answers, report.unusable_answers, report.is_whole) == (0, 3, False)


def test_one_refused_row_of_a_hundred_is_a_warning_and_two_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text("id,text\n" + "".join(f"{n},text {n}\n" for n in range(99)) + "99\n")
    section = DataSection(path=path, id="id")
    assert not read_pool(section, labels=None)[1].is_whole
    path.write_text(path.read_text().replace("\n7,", "\n"))
    with pytest.raises(DataError, match="2 of 100 rows cannot be used, more than 1 %: line 9: "):
        read_pool(section, labels=None)
    for tolerate, fine in ((0.02, True), (0.01, False), (0.0, False)):
        stated = section.model_copy(update={"tolerate": tolerate})
        if fine:
            assert len(read_pool(stated, labels=None)[0]) == 98
        else:
            with pytest.raises(DataError) as caught:
                read_pool(stated, labels=None)
            assert "`pool.tolerate: 0.02`" in caught.value.hint


def test_a_test_set_names_its_own_key(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("text,label\na,food\nb\n")
    with pytest.raises(DataError) as caught:
        read_pool(DataSection(path=path, label="label"), labels=TOPICS, require_gold=True)
    assert "`test.tolerate: 0.5`" in caught.value.hint


@pytest.mark.parametrize("lost", range(1, 30))
def test_the_share_of_a_hint_is_enough(lost: int) -> None:
    report = ReadingReport("f", 29, 29 - lost, 0, 0, lost, 0)
    with pytest.raises(DataError) as caught:
        Limits().check(report, {})
    share = float(caught.value.hint.split("tolerate: ")[1].split("`")[0])
    Limits(tolerate=share).check(report, {})


# -- what is said and what counts ------------------------------------------------------------------


def test_repeated_answers_are_no_fault_and_other_answers_are(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    rows = [("a", "food"), ("a", "food"), ("b", "food"), ("b", "price"), ("c", {"x": "food"})]
    rows += [("c", {"y": "food"})]
    path.write_text("".join(json.dumps({"text": text, "y": y}) + "\n" for text, y in rows))
    section = DataSection(path=path, answers="y", tolerate=1)
    pool, report = read_pool(section, labels=TOPICS)
    assert (report.said.read, report.said.repeated, report.said.unusable) == (4, 1, 1)
    assert (report.duplicates, report.merged, report.said.there) == (3, 1, len(rows))
    assert len(pool[PoolId("t-2e7d2c03a9507ae2")].answers) == 2


def test_labels_of_repeated_texts_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text("text,label\na,food\na,price\na,food\n")
    _, report = read_pool(DataSection(path=path, label="label"), labels=TOPICS)
    assert (report.known.read, report.known.repeated) == (1, 2)
    assert "line 3: another label than line 2, which counts" in report.examples


# -- which label is meant --------------------------------------------------------------------------

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("spelling", [NFC, NFD, f" {NFD}\u00a0", f"\u2003{NFC}\n", f"\ufeff{NFC}"])
@pytest.mark.parametrize("of_task", [NFC, NFD, f"\u00a0{NFC} "])
def test_spellings_of_a_label_are_one(path: Path, spelling: str, of_task: str) -> None:
    pool, report = read(path, [spelling], labels=(of_task, "bar"))
    assert pool.records[0].answers == (("imported", of_task),)
    assert report.is_whole
    pool, _ = read(path, [[spelling, "bar"]], labels=(of_task, "bar"), kind="multi_label")
    assert pool.records[0].answers == (("imported", [of_task, "bar"]),)
    cell = [{"start": 0, "end": 4, "label": spelling}]
    pool, _ = read(path, [cell], labels=(of_task, "bar"), kind="spans", column="label")
    assert pool.records[0].gold == ((0, 4, of_task),)


@pytest.mark.parametrize(
    ("cell", "labels", "label"),
    [
        ("1.0", ("0", "1"), "1"),
        (1.0, ("0", "1"), "1"),
        (1, ("0", "1"), "1"),
        ("1", ("0.0", "1.0"), "1.0"),
        (1.0, ("0.0", "1.0"), "1.0"),
        (1, ("1", "2", "3"), "1"),  # a name, never a position in the list
        (True, ("true", "false"), "true"),
        ("TRUE", ("true", "false"), "true"),
        (True, ("True", "False"), "True"),
        ("False", ("0", "1"), "0"),
        ("nan", ("nan", "x"), "nan"),
        ("N/A", ("N/A", "x"), "N/A"),
        ("a|b", ("a|b", "x"), "a|b"),
        (["food"], TOPICS, "food"),
        ('["food"]', TOPICS, "food"),
        ("['food']", TOPICS, "food"),
        ("[x]", ("[x]", "y"), "[x]"),
    ],
)
def test_what_a_cell_of_one_label_means(
    path: Path, cell: object, labels: tuple[str, ...], label: str
) -> None:
    pool, report = read(path, [cell], labels=labels, column="label")
    assert pool.records[0].gold == label
    assert report.is_whole


@pytest.mark.parametrize(
    "cell", ["nan", "NaN", "NaT", "<NA>", "NA", "#N/A", "null", "NULL", "None"]
)
@pytest.mark.parametrize("column", ["answers", "label"])
def test_what_programs_write_for_nothing_is_empty_and_said(
    path: Path, cell: str, column: str
) -> None:
    pool, report = read(path, ["food", cell], column=column)
    assert (pool.records[1].gold, pool.records[1].answers) == (None, ())
    assert report.examples == (f"line 2: {cell!r} is read as an empty cell",)
    assert not report.is_whole


@pytest.mark.parametrize(
    ("kind", "cell", "labels", "reason"),
    [
        ("single_label", "N/A", TOPICS, "'N/A' may be an empty cell or an answer"),
        ("single_label", "none", TOPICS, "'none' may be an empty cell or an answer"),
        ("single_label", 1.0, ("1", "1.0"), "'1.0' may be '1' or '1.0'"),
        ("single_label", "food|price", TOPICS, "2 labels where the task takes one"),
        ("single_label", ["food", "price"], TOPICS, "2 labels where the task takes one"),
        ("single_label", True, ("1", "2"), "unknown label 'true'"),
        ("single_label", 0, ("neg", "pos"), "unknown label '0'"),
        ("multi_label", "a|b", ("a", "b", "a|b"), "may be the labels 'a', 'b' or the label 'a|b'"),
        ("multi_label", "food,price", TOPICS, "'food,price' may be 2 labels with ',' between"),
        ("multi_label", "food; price", TOPICS, "may be 2 labels with ';' between"),
        ("multi_label", ["food", None], TOPICS, "an empty name in the list"),
    ],
)
def test_a_cell_that_may_be_two_things_is_refused_with_both(
    path: Path, kind: str, cell: object, labels: tuple[str, ...], reason: str
) -> None:
    pool, report = read(path, [cell], labels=labels, kind=kind, column="label", tolerate=1)
    assert pool.records[0].gold is None
    assert reason in report.examples[0]


@pytest.mark.parametrize(
    ("cell", "separator", "labels", "expected"),
    [
        ("a|b", "|", ("a|b", "c"), ("a|b",)),
        ("a|b|c", "|", ("a|b", "c"), ("a|b", "c")),
        ("food, drinks,price", ",", ("food, drinks", "price"), ("food, drinks", "price")),
        ("['food', 'price']", "|", TOPICS, ("price", "food")),
        ("['food' 'price']", "|", TOPICS, ("price", "food")),  # as numpy writes it
        ("|food||", "|", TOPICS, ("food",)),
    ],
)
def test_labels_may_hold_the_separator(
    path: Path, cell: str, separator: str, labels: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    keys = {"column": "label", "separator": separator}
    pool, _ = read(path, [cell], labels=labels, kind="multi_label", **keys)
    assert pool.records[0].gold == expected


def test_many_parts_are_read_in_reasonable_time(path: Path) -> None:
    cell = "|".join(["a"] * 3000 + ["x"])
    keys: dict[str, Any] = {"column": "label", "tolerate": 1}
    pool, _ = read(path, [cell], labels=("a", "a|a"), kind="multi_label", **keys)
    assert pool.records[0].gold is None


@pytest.mark.parametrize("name", ["Food", "fóod", "foood", "FOOD ", "fo od"])
def test_the_nearest_label_is_named(path: Path, name: str) -> None:
    _, report = read(path, [name], tolerate=1)
    assert report.examples[0].endswith("nearest is 'food'")


# -- the property ----------------------------------------------------------------------------------

CELL = st.one_of(
    st.sampled_from(
        [
            *TOPICS,
            *TOPICS,
            *TOPICS,
            " food\u00a0",
            "fod",
            "",
            " ",
            "nan",
            "N/A",
            "food|price",
            "1.0",
        ]
    ),
    st.text(max_size=6),
)
TEXT = st.one_of(st.sampled_from(["a", "b", "c", "d", "", " "]), st.text(max_size=6))
ROWS = st.lists(st.tuples(TEXT, CELL, CELL), min_size=1, max_size=12)
SHAPES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


def is_said(cell: str) -> bool:
    return bool(cell) and not cell.isspace()


def write(path: Path, rows: list[tuple[str, str, str]]) -> None:
    names = ("text", "label", "y")
    items = [dict(zip(names, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(items), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(item) + "\n" for item in items))
    elif path.suffix == ".json":
        path.write_text(json.dumps(items))
    else:
        file = io.StringIO()
        delimiter = "," if path.suffix == ".csv" else "\t"
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *rows])
        path.write_bytes(file.getvalue().encode())


@HOW_OFTEN
@pytest.mark.parametrize("suffix", SHAPES)
def test_all_that_is_there_is_read_or_reported(suffix: str, examples: int, tmp_path: Path) -> None:
    path = tmp_path / f"pool{suffix}"
    section = DataSection(path=path, label="label", answers="y", tolerate=1)

    def check(rows: list[tuple[str, str, str]]) -> None:
        write(path, rows)
        try:
            pool, report = read_pool(section, labels=TOPICS)
        except DataError as error:
            assert "no usable row" in error.message  # noqa: PT017
            return
        assert report.rows == len(rows)
        lost = report.duplicates + report.empty + report.refused
        assert report.kept == len(pool) == len(rows) - lost
        assert report.known.there == sum(is_said(label) for _, label, _ in rows)
        assert report.said.there == sum(is_said(answer) for *_, answer in rows)
        assert report.said.read == sum(len(record.answers) for record in pool)
        assert report.known.read == sum(record.gold is not None for record in pool)
        if report.is_whole:
            assert report.said.read == report.said.there
            assert report.known.read == report.known.there

    rows = st.tuples(TEXT, CELL, CELL).filter(lambda row: "\ud800" not in "".join(row))
    holds(examples, st.lists(rows, min_size=1, max_size=12), check)


@pytest.mark.parametrize(
    ("content", "is_test", "hint"),
    [
        ("text,label\n", False, "is it complete?"),
        ('text,label\n"",a\n', False, "is that where the texts are?"),
        ("text,label,label_status\nx,price,rejected\n", True, "does `test.label` name the right"),
        ("text,label\nx,\n", True, "does `test.label` name the right"),
    ],
)
def test_a_file_without_records_says_what_would_help(
    tmp_path: Path, content: str, is_test: bool, hint: str
) -> None:
    path = tmp_path / "pool.csv"
    path.write_text(content)
    section = DataSection(path=path, label="label", tolerate=1)
    with pytest.raises(DataError, match="no usable row") as error:
        read_pool(section, labels=TOPICS, require_gold=is_test)
    assert hint in error.value.hint


def test_a_label_on_a_repeated_text_is_not_called_a_repetition(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text("text,label\nx,\nx,price\ny,food\ny,price\ny,food\n")
    _, report = read_pool(DataSection(path=path, label="label"), labels=TOPICS)
    assert (report.known.read, report.known.left, report.known.repeated) == (1, 1, 2)
    assert "line 3: a label, but none on line 2, which counts" in report.examples
    assert "line 5: another label than line 4, which counts" in report.examples
