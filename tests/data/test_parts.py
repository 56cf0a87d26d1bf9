"""Texts of several columns, and columns that are shown beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config.data import DataSection, PoolSection
from loopd.config.digest import shaping
from loopd.config_file import parse_config
from loopd.data.parts import Parts, joined, shown_texts
from loopd.data.pool import Pool
from loopd.data.reading import content_id, read_pool
from loopd.errors import ConfigError, DataError
from loopd.loop.data_sets import read_data
from loopd.records import Record
from tests.journals import begun_with

CSV = (
    "id;subject;body;customer;rank\n1;Parcel;never came;Ann;3\n2;;invoice wrong;Bo;\n"
    "3;Hello;;;1\n4;;;Cy;2\n"
)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_text(CSV)
    return path


def read(path: Path, **settings: Any) -> Any:
    section = PoolSection(path=path, **{"text": ["subject", "body"], "id": "id", **settings})
    return read_pool(section, labels=("a", "b"))


def test_parts_are_joined_with_their_names(tickets: Path) -> None:
    pool, report = read(tickets)
    assert [record.text for record in pool] == [
        "subject: Parcel\nbody: never came", "body: invoice wrong", "subject: Hello",
    ]  # fmt: skip
    assert report.empty == 1
    assert pool["1"].parts == (("subject", "Parcel"), ("body", "never came"))
    assert pool["2"].parts == (("body", "invoice wrong"),)


def test_shown_columns_are_no_part_of_the_text_or_of_the_run(tickets: Path) -> None:
    plain, _ = read(tickets)
    pool, _ = read(tickets, show={"customer": "field", "rank": "metadata"})
    assert [record.shown for record in pool] == [
        (("customer", "Ann"), ("rank", "3")), (("customer", "Bo"),), (("rank", "1"),),
    ]  # fmt: skip
    assert pool.fingerprint == plain.fingerprint


def test_texts_that_differ_in_one_part_are_two(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("s,b\nx,y\nx,z\nx,y\n")
    pool, report = read(path, text=["s", "b"], id=None)
    assert (len(pool), report.duplicates) == (2, 1)


@pytest.mark.parametrize("name", ["body", "customer"])
def test_a_column_that_is_not_there_is_named(tickets: Path, name: str) -> None:
    tickets.write_text(CSV.replace(name, "other", 1))
    with pytest.raises(DataError, match=f"no column '{name}'"):
        read(tickets, show=["customer"])


def test_an_export_of_a_tool_has_parts_too(tmp_path: Path) -> None:
    path = tmp_path / "doccano.jsonl"
    lines = [{"id": n, "text": f"t{n}", "title": f"h{n}", "label": ["a"]} for n in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pool, _ = read(path, text=["title", "text"], show=["id"], format="doccano")
    assert pool["1"].text == "title: h1\ntext: t1"
    assert pool["1"].shown == (("id", "1"),)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_other_files_have_parts_too(tmp_path: Path, suffix: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"s": "x", "b": 7, "more": {"k": [1]}}, {"s": None, "b": 8, "more": None}]
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool, _ = read(path, text=["s", "b"], show=["more"], id=None)
    assert [record.text for record in pool] == ["s: x\nb: 7", "b: 8"]
    assert pool.records[0].shown == (("more", '{"k": [1]}'),)


names = st.text(min_size=1, max_size=5)
cells = st.lists(st.tuples(names, st.text(max_size=8) | st.none() | st.integers()), max_size=5)


@given(cells)
def test_every_part_with_something_in_it_is_in_the_text(parts: list[tuple[str, Any]]) -> None:
    whole = Parts(tuple(parts))
    assert str(whole) == joined(whole.texts)
    assert all(f"{name}: {text}" in str(whole) for name, text in whole.texts)


@given(st.lists(st.tuples(names, st.characters() | st.binary() | st.lists(st.none()))))
def test_whatever_is_shown_can_be_stored(shown: list[tuple[str, Any]]) -> None:
    for _, text in shown_texts(shown):
        assert text.strip()
        assert "\0" not in text
        text.encode("utf-8")


# -- configuration ---------------------------------------------------------------------------------


def config(pool: dict[str, Any], **more: Any) -> Any:
    content = {"task": {"labels": ["a", "b"]}, "pool": {"path": "a.csv", **pool}, **more}
    return parse_config(content, Path("/tmp"))


def test_one_column_in_a_list_is_that_column() -> None:
    assert config({"text": ["body"]}).digest() == config({"text": "body"}).digest()


def test_what_is_shown_is_no_part_of_the_digest() -> None:
    shown = config({"show": ["customer"]})
    assert shown.digest() == config({}).digest()
    assert "show" not in shaping(shown.pool, "pool")


def test_the_columns_of_a_text_are_part_of_the_digest() -> None:
    assert config({"text": ["a", "b"]}).digest() != config({"text": ["b", "a"]}).digest()


@pytest.mark.parametrize(
    ("pool", "more", "reason"),
    [
        ({"text": []}, {}, "no column"),
        ({"text": ["a", "a"]}, {}, "listed twice"),
        ({"text": ["a", "  "]}, {}, "no field in Argilla"),
        ({"show": ["text"]}, {}, "is a text"),
        ({"text": "body", "show": ["text"]}, {}, "another task.field"),
        ({"show": ["a", "a"]}, {}, "listed twice"),
        ({"show": {"a": "column"}}, {}, "one of field and metadata"),
        ({"text": ["a", "b"]}, {"test": {"path": "t.csv", "label": "l"}}, "test.text"),
        ({"text": ["a", "b"]}, {"task": {"type": "spans", "labels": ["a"]}}, "pool.show"),
        ({"path": None, "argilla": {"dataset": "d"}, "text": ["a", "b"]}, {}, "one name"),
        ({"path": None, "argilla": {"dataset": "d"}, "show": ["a"]}, {}, "show"),
    ],
)
def test_what_does_not_fit_is_refused(pool: Any, more: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        config(pool, **more)


def test_a_test_set_has_parts_but_shows_nothing() -> None:
    assert DataSection(path="t.csv", text=["a", "b"]).text_columns == ("a", "b")
    assert "show" not in DataSection.model_fields


INVISIBLE = ["\u200b", "\u200d \u2060\ufeff", "\xad\t\u200f"]


@pytest.mark.parametrize("blank", ["", " ", *INVISIBLE])
def test_a_text_of_parts_in_which_nothing_can_be_seen_is_none(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"s": "", "b": "x"}, {"s": "y", "b": " "}, {"s": blank, "b": blank}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool, report = read(path, text=["s", "b"], id=None)
    assert pool.texts == ["b: x", "s: y"]
    assert [record.parts for record in pool] == [(("b", "x"),), (("s", "y"),)]
    assert (report.empty, report.refused) == (1, 0)


@pytest.mark.parametrize("part", INVISIBLE)
def test_a_part_without_width_stays_in_the_text_by_which_runs_know_it(
    tmp_path: Path, part: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"s": part, "b": "x"}) + "\n")
    assert read(path, text=["s", "b"], id=None)[0].texts == [f"s: {part}\nb: x"]


@pytest.mark.parametrize("blank", INVISIBLE)
def test_a_run_of_before_keeps_texts_in_which_nothing_can_be_seen(
    tmp_path: Path, blank: str
) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"s": "", "b": "x"}, {"s": blank, "b": blank}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = ["b: x", f"s: {blank}\nb: {blank}"]
    before = Pool(tuple(Record(content_id(text), text) for text in texts))
    settings = config({"path": path, "text": ["s", "b"], "id": None})
    assert read_data(settings, begun_with(before.fingerprint)).pool.texts == texts
    assert read_data(settings, begun_with("another")).pool.texts == texts[:1]
    assert read_data(settings).pool.texts == texts[:1]


@pytest.mark.parametrize("part", ["\u200bx", "x\u200d", "\u0301", "-"])
def test_a_part_in_which_something_can_be_seen_stays_what_it_is(tmp_path: Path, part: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"s": part, "b": ""}) + "\n")
    assert read(path, text=["s", "b"], id=None)[0].texts == [f"s: {part}"]
