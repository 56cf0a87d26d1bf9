"""Reading pools and test sets: every format, every kind of bad row, every error."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import LONGEST_TEXT, ReadingReport, content_id, leaks, read_pool
from loopd.errors import DataError
from loopd.records import PoolId, Record

LABELS = ("billing", "delivery")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def read(
    path: Path, labels: tuple[str, ...] | None = LABELS, require_gold: bool = False, **columns: str
) -> tuple[Pool, ReadingReport]:
    section = DataSection(path=path, tolerate=1, **columns)
    return read_pool(section, labels=labels, require_gold=require_gold)


def texts(pool: Pool) -> list[str]:
    return [record.text for record in pool]


def test_csv_with_ids_and_labels(tmp_path: Path) -> None:
    content = (
        'no,question,topic\n7,"Where is it, please?",delivery\n8,"A ""bill""\ntwice",billing\n'
    )
    path = write(tmp_path / "pool.csv", content)
    pool, report = read(path, text="question", id="no", label="topic")
    assert pool.records == (
        Record(PoolId("7"), "Where is it, please?", "delivery"),
        Record(PoolId("8"), 'A "bill"\ntwice', "billing"),
    )
    assert (report.rows, report.kept, report.unlabeled) == (2, 2, 0)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path / "pool.csv", f"id{delimiter}text\n1{delimiter}hello\n")
    assert read(path, id="id")[0].records == (Record(PoolId("1"), "hello"),)


def test_csv_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", b"\xef\xbb\xbftext,label\r\none,billing\r\n\r\ntwo,\r\n")
    pool, report = read(path, label="label")
    assert texts(pool) == ["one", "two"]
    assert [record.gold for record in pool] == ["billing", None]
    assert report.unlabeled == 1


def test_csv_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", "text,label\na,b,c\nonly\ngood,x\nfine,x,,\n")
    pool, report = read(path)
    assert texts(pool) == ["good", "fine"]
    assert report.refused == 2
    assert "line 2: 3 cells where the header has 2" in report.examples


def test_csv_open_quote_is_an_error_with_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", 'text\nfine\n"never closed\nmore\n')
    with pytest.raises(DataError, match=r"pool\.csv, line 4: not CSV"):
        read(path)


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.jsonl.gz", "pool.json", "pool.ndjson"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    rows = [{"id": 1, "text": "Ünïcode 🙂"}, {"id": 2.0, "text": "two", "label": "billing"}]
    content = "\n\n".join(json.dumps(row) for row in rows).encode()
    path = write(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    pool, _ = read(path, id="id", label="label")
    assert pool.records == (
        Record(PoolId("1"), "Ünïcode 🙂"),
        Record(PoolId("2"), "two", "billing"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"text": \n', "line 2: not JSON"),
        ('["a"]\n', "row 1: a str, not an object"),
        ('{"text": "a"}\n["a"]\n', "line 2: a list, not an object"),
        ("[" * 100_000, "line 1: not JSON"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}\n", "not JSON|no column"),
    ],
)
def test_broken_json_lines(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "pool.jsonl", content)
    with pytest.raises(DataError, match=message):
        read(path, id="id")


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "pool.parquet"
    table = pa.table({"id": [1.0, 2.0, 3.0], "text": ["a", "b", None], "label": ["x", None, "y"]})
    parquet.write_table(table, path)
    pool, report = read(path, labels=None, id="id", label="label")
    assert pool.records == (Record(PoolId("1"), "a", "x"), Record(PoolId("2"), "b", None))
    assert report.empty == 1


@pytest.mark.parametrize("kind", ["parquet", "folder", "splits"])
def test_class_numbers_turn_into_names(tmp_path: Path, kind: str) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(LABELS))}
    )
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features)
    path = tmp_path / ("pool.parquet" if kind == "parquet" else "saved")
    if kind == "parquet":
        data.to_parquet(str(path))
    elif kind == "folder":
        data.save_to_disk(str(path))
    else:
        datasets.DatasetDict({"train": data, "test": data}).save_to_disk(str(path))
    section = DataSection(path=path, label="label", split="train" if kind == "splits" else None)
    pool, report = read_pool(section, labels=LABELS)
    assert [record.gold for record in pool] == ["delivery", "billing", None]
    assert report.unlabeled == 1
    if kind == "splits":
        with pytest.raises(DataError, match="needs a split; it has 'train', 'test'"):
            read(path)


def test_hub_data_set_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load(name: str, config: str | None, *, split: str | None) -> object:
        if name == "broken":
            raise OSError("no network\nand more")
        return {"train": datasets.Dataset.from_dict({"text": ["a", "b"]})}

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert texts(read_pool(DataSection(hub="fine"), labels=None)[0]) == ["a", "b"]
    with pytest.raises(DataError, match=r"cannot load the hub data set broken: no network$"):
        read_pool(DataSection(hub="broken"), labels=None)


def test_not_parquet_and_no_saved_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.parquet is not a readable Parquet file"):
        read(write(tmp_path / "x.parquet", "not parquet"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is no saved data set"):
        read(tmp_path / "folder")


def test_ids_made_from_the_content_are_stable(tmp_path: Path) -> None:
    pool, _ = read(write(tmp_path / "pool.csv", "text\nhello\nworld\n"))
    assert [record.id for record in pool] == [content_id("hello"), content_id("world")]
    assert content_id("hello") == "t-2cf24dba5fb0a30e"


def test_duplicates_and_empty_texts_are_counted(tmp_path: Path) -> None:
    lines = ["text", "a", '" "', "a", '"\u200b"', "b", '""', "a "]
    pool, report = read(write(tmp_path / "pool.csv", "\n".join(lines) + "\n"))
    assert texts(pool) == ["a", "b", "a "]
    assert (report.rows, report.kept, report.duplicates, report.empty) == (7, 3, 1, 3)
    assert report.lines() == (
        "pool.csv: 7 rows, 3 kept, 1 duplicates, 3 empty",
        "  line 4: repeats line 2",
    )


def test_texts_that_argilla_cannot_take_are_refused(tmp_path: Path) -> None:
    rows = [
        {"text": "nul \0 inside"},
        {"text": "half \ud800 pair"},
        {"text": "x" * (LONGEST_TEXT + 1)},
        {"text": ["a", "list"]},
        {"text": 12},
        {"text": "e\u0301 stays as it is"},
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    pool, report = read(write(tmp_path / "pool.jsonl", content))
    assert texts(pool) == ["12", "e\u0301 stays as it is"]
    assert report.refused == 4


def test_csv_bytes_that_are_not_utf8_and_nul(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", b"text\ncaf\xe9\nnul \0 here\nfine\n")
    pool, report = read(path, encoding="utf-8")
    assert texts(pool) == ["fine"]
    assert report.refused == 2


@pytest.mark.parametrize("identifier", ["", " ", "a\tb", "x" * 256, "nul\0"])
def test_unusable_ids_are_refused(tmp_path: Path, identifier: str) -> None:
    rows = [{"id": identifier, "text": "a"}, {"id": "ok", "text": "b"}]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    pool, report = read(write(tmp_path / "pool.jsonl", content), id="id")
    assert [record.id for record in pool] == ["ok"]
    assert report.refused == 1


@pytest.mark.parametrize("rows", ["1,a\n1,b\n", "1,a\n2,b\n1,b\n", "1,a\n2,a\n2,b\n"])
def test_one_id_for_two_texts_is_an_error(tmp_path: Path, rows: str) -> None:
    path = write(tmp_path / "pool.csv", "id,text\n" + rows)
    with pytest.raises(DataError, match=r"id '.' stands for two texts, on lines \d and \d"):
        read(path, id="id")


def test_same_id_and_text_is_a_duplicate(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", "id,text\n1,a\n1,a\n2,b\n")
    assert read(path, id="id")[1].duplicates == 1


@pytest.mark.parametrize("name", ["pool.csv", "pool.jsonl"])
def test_missing_column_names_the_nearest(tmp_path: Path, name: str) -> None:
    content = "texte,label\na,b\n" if name.endswith("csv") else '{"texte": "a", "label": "b"}\n'
    with pytest.raises(DataError, match="has no column 'text'; it has 'texte', 'label'") as caught:
        read(write(tmp_path / name, content))
    assert caught.value.hint == "did you mean 'texte'?"


def test_column_that_occurs_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has two columns 'text'"):
        read(write(tmp_path / "pool.csv", "text,text\na,b\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("e.csv", ""), ("e.csv", "text\n"), ("e.jsonl", ""), ("e.csv", "text\n \n"), ("e.jsonl", " ")],
)
def test_empty_sets(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match=r"no usable row|is empty"):
        read(write(tmp_path / name, content))


def test_missing_file_and_unknown_format(tmp_path: Path) -> None:
    write(tmp_path / "pool.csv", "text\na\n")
    with pytest.raises(DataError, match=r"no file .*pool\.cvs") as caught:
        read(tmp_path / "pool.cvs")
    assert caught.value.hint == "did you mean pool.csv?"
    with pytest.raises(DataError, match="cannot tell the format"):
        read(write(tmp_path / "pool.docx", "x"))
    with pytest.raises(DataError, match="is damaged"):
        read(write(tmp_path / "pool.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 99)[:-9]))


def test_test_set_needs_known_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "test.csv", "text,label\na, billing \nb,\nc,delivery\n")
    pool, report = read(path, require_gold=True, label="label")
    assert [record.gold for record in pool] == ["billing", "delivery"]
    assert report.unlabeled == 1
    bad = write(tmp_path / "bad.csv", "text,label\na,Billing\nb,billing\n")
    with pytest.raises(DataError, match=r"1 rows have labels .*: 'Billing'") as caught:
        read(bad, require_gold=True, label="label")
    assert "did you mean 'billing'" in caught.value.hint
    with pytest.raises(DataError, match="no column of known labels"):
        read(path, require_gold=True)


def test_unknown_labels_of_a_pool_count_as_none(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.csv", "text,label\na,what\nb,billing\n")
    pool, report = read_pool(DataSection(path=path, tolerate=1), labels=LABELS, gold_column="label")
    assert [record.gold for record in pool] == [None, "billing"]
    assert report.unlabeled == 1
    assert report.examples == ("line 2: unknown label 'what'",)


def test_leaks_ignore_case_and_spaces() -> None:
    pool = Pool((Record(PoolId("1"), "Where  is it?"), Record(PoolId("2"), "Other")))
    assert leaks(pool, Pool((Record(PoolId("9"), "where is IT? "),))) == ("1",)


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=12))
def test_whatever_the_csv_holds_the_rest_is_clean(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["text"], *([cell] for cell in cells)])
    try:
        pool, report = read(path)
    except DataError:
        return
    assert len(set(texts(pool))) == len(pool) == report.kept
    assert report.rows == report.kept + report.duplicates + report.empty + report.refused
    for record in pool:
        assert record.text.strip()
        json.dumps(record.text).encode("utf-8")
