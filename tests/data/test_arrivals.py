"""What joins a pool: ids with and without columns, twins, files that are being written, order."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import PoolSection
from loopd.data.arrivals import arrivals
from loopd.data.pool import Pool, content_id
from loopd.data.pool_files import complete_bytes, is_many, pool_files
from loopd.data.reading import read_pool
from loopd.errors import DataError
from loopd.records import PoolId, Record
from loopd.storage.pool_table import PoolTable
from tests.fuzz.properties import holds

TEXTS = st.sampled_from(["a", "b", "c", "d", "e f", 'with "quotes"', "two\nlines", "é, ü"])
IDS = st.sampled_from(["1", "2", "3", "4", "5", "6"])
ROWS = st.lists(st.tuples(IDS, TEXTS), max_size=12)


def records(rows: list[tuple[str, str]], *, with_ids: bool) -> list[Record]:
    return [Record(PoolId(id_) if with_ids else content_id(text), text) for id_, text in rows]


@given(intakes=st.lists(ROWS, max_size=4), with_ids=st.booleans())
def test_ids_and_texts_stay_distinct_and_nothing_moves(
    intakes: list[list[tuple[str, str]]], with_ids: bool
) -> None:
    pool, prints = Pool(()), []
    for rows in intakes:
        some = records(rows, with_ids=with_ids)
        found = arrivals(pool, some)
        grown = pool.grown(found.new) if found.new else pool
        assert grown.records[: len(pool)] == pool.records
        assert len(set(grown.texts)) == len(grown.positions) == len(grown)
        known = [record for record in some if record in pool.records]
        assert found.shared == len(known)
        assert arrivals(grown, some).new == ()
        if not with_ids:
            assert found.clashing == ()
            assert {record.text for record in some} <= grown.text_set
        pool = grown
        prints.append((len(pool), pool.fingerprint))
        assert pool.fingerprint == Pool(pool.records).fingerprint
        assert pool.size_at(pool.fingerprint) == len(pool)
    for size, fingerprint in prints:
        assert pool.size_at(fingerprint) == size
        beginning = pool.beginning(fingerprint)
        assert beginning is None or beginning.records == pool.records[:size]


@given(rows=ROWS, more=ROWS)
def test_every_row_is_counted_once(
    rows: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    pool = Pool(arrivals(Pool(()), records(rows, with_ids=True)).new)
    some = list({record.id: record for record in records(more, with_ids=True)}.values())
    found = arrivals(pool, some)
    assert len(some) == len(found.new) + found.duplicates + len(found.clashing) + found.shared


def test_the_table_gives_back_what_was_put_in(tmp_path: Path) -> None:
    rich = Record(
        PoolId("a"), "x", ("l", "m"), (("ann", ["l"]),), (("subject", "x"),), (("from", "y"),)
    )
    first, second = (rich, Record(PoolId("b"), "y", ())), (Record(PoolId("c"), "z", "l"),)
    table = PoolTable(tmp_path)
    assert list(table.intakes()) == []
    assert table.begin(first, 1.0) is None
    table.put(1, [Record(PoolId("lost"), "killed before its fact")])
    table.put(1, second)
    assert tuple(table.intakes()) == (first, second)
    assert table.begin(first, 2.0) is None
    aside = table.begin(second, 3.0)
    assert aside is not None
    assert tuple(table.intakes()) == (second,)


# -- files -----------------------------------------------------------------------------------------


def as_csv(rows: list[tuple[str, str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("id", "text"), *rows])
    return file.getvalue().encode()


def as_lines(rows: list[tuple[str, str]]) -> bytes:
    return b"".join(json.dumps({"id": i, "text": t}).encode() + b"\n" for i, t in rows)


DISTINCT = st.lists(TEXTS, min_size=2, max_size=4, unique=True).map(
    lambda texts: [(str(number), text) for number, text in enumerate(texts)]
)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_of_a_file_that_is_cut_anywhere_only_whole_rows_are_read(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"growing{suffix}"

    def check(rows: list[tuple[str, str]]) -> None:
        content = as_csv(rows) if suffix == ".csv" else as_lines(rows)
        for size in range(content.index(b"\n") + 1, len(content) + 1):
            path.write_bytes(content[:size])
            try:
                pool, _ = read_pool(
                    PoolSection(path=path, id="id"), labels=None, scratch=tmp_path / "scratch"
                )
            except DataError:
                pool = Pool(())
            read = [(record.id, record.text) for record in pool]
            assert read == rows[: len(read)]
            assert size < len(content) or len(read) == len(rows)
        assert complete_bytes(path) == len(content)
        assert not (tmp_path / "scratch").exists()

    holds(4, DISTINCT, check)


@pytest.mark.parametrize(
    ("content", "complete"),
    [
        (b'id,text\n1,a 12" monitor\n2,b\n3,c', 28),
        (b'id,text\n1,"two\nlines"\n2,"open\nand', 22),
        (b'id,text\n1,"a ""b""\n c"\n2,d\n', 27),
        ("id,text\n1,a\n2,b".encode("utf-16"), 32),
        (b"id,text\r1,a\r2,b", 15),
        (b"", 0),
    ],
)
def test_where_a_file_of_lines_ends(content: bytes, complete: int, tmp_path: Path) -> None:
    path = tmp_path / "growing.csv"
    path.write_bytes(content)
    assert complete_bytes(path) == complete


def test_a_file_that_is_gone_is_no_crash(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(DataError, match="is gone"):
            complete_bytes(tmp_path / name)


def test_the_files_of_a_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "tickets"
    folder.mkdir()
    (folder / "2.csv").write_bytes(as_csv([("3", "c"), ("9", "a")]))
    (folder / "1.csv").write_bytes(as_csv([("1", "a"), ("2", "b")]))
    (folder / "3.jsonl.gz").write_bytes(gzip.compress(as_lines([("4", "d")])))
    with (
        pa.OSFile(str(folder / "4.csv.zst"), "wb") as file,
        pa.CompressedOutputStream(file, "zstd") as packed,
    ):
        packed.write(as_csv([("5", "e")]))
    table = pa.table({"id": ["6"], "text": ["f"]})
    pyarrow.parquet.write_table(table, folder / "5.parquet")
    (folder / "0.csv").write_bytes(b"")
    for name in (".hidden.csv", "6.csv.tmp", "7.csv.part", "8.csv~", "_9.csv", "notes.md"):
        (folder / name).write_bytes(as_csv([("x", "never")]))
    assert is_many(folder)
    pool, report = read_pool(PoolSection(path=folder, id="id"), labels=None)
    assert [record.id for record in pool] == ["1", "2", "3", "4", "5", "6"]
    assert (report.rows, report.kept, report.duplicates) == (7, 6, 1)
    assert report.source == "5 files from 1.csv to 5.parquet"
    some, _ = read_pool(PoolSection(path=folder / "*.csv", id="id"), labels=None)
    assert [record.id for record in some] == ["1", "2", "3"]
    assert [path.name for path in pool_files(folder / "[12].csv")] == ["1.csv", "2.csv"]
    with pytest.raises(DataError, match="no file to read"):
        read_pool(PoolSection(path=folder / "*.tsv"), labels=None)
    (folder / "9.csv").write_bytes(as_csv([("1", "another")]))
    with pytest.raises(DataError, match=r"id '1' stands for two texts, in 1\.csv and in 9\.csv"):
        read_pool(PoolSection(path=folder, id="id"), labels=None)


def test_zstd_that_is_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.zst"
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
        packed.write(as_csv([("5", "e")] * 100))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"x\.csv\.zst is damaged"):
        read_pool(PoolSection(path=path), labels=None)
