"""Pools, metrics and journals with any content: read, or refused with one of loopd's errors."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from loopd.config import DataSection
from loopd.data.reading import read_pool
from loopd.errors import DataError, JournalError, StorageError
from loopd.machine import fold
from loopd.metrics_log.rows import advice, class_names, effort_of, metric_of, number, read_metrics
from loopd.storage import codec
from loopd.storage.journal import Journal
from tests.fuzz.properties import HOW_OFTEN, JSON, TEXTS, holds, is_clear, mixed

KINDS = ("single_label", "multi_label", "spans")
TARGET = st.one_of(
    mixed("a", "b", "a|b", "[]", "|", '["a"]', '[[0, 1, "a"]]', ["a", "b"], -1),
    st.lists(st.fixed_dictionaries({"start": JSON, "end": JSON, "label": mixed("a")}), max_size=2),
    st.dictionaries(TEXTS, mixed("a", "b"), max_size=2),
)
ROW = st.fixed_dictionaries(
    {"text": mixed("some words", "more words", ["two", "tokens"])},
    optional={"id": mixed("1", "2"), "label": TARGET, "answers": TARGET, "answer": mixed("reject")},
)
CELLS = st.one_of(TEXTS, st.sampled_from(["text", "id", "label", ",", '"', "\n", "\t", ";", "\r"]))
CONLL = st.sampled_from(
    ["a", "B-a", "I-a", "O", "I-b", "\n", "\n\n", "\t", " ", "-DOCSTART-", "# text = ", "# id = "]
)

CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(ROW, JSON), max_size=4).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode()
    ),
    st.lists(CELLS, max_size=20).map(
        lambda cells: ("text,id,label,answers\n" + "".join(cells)).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.one_of(CONLL, TEXTS), max_size=20).map(
        lambda words: "".join(words).encode("utf-8", "surrogatepass")
    ),
)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".conll", ".parquet", ".csv.gz", ".jsonl.gz", ".txt")


def _read(path: Path, kind: str, **columns: str) -> None:
    section = DataSection(path=path, **columns)
    for gold in (False, True):
        try:
            pool, report = read_pool(
                section, labels=("a", "b"), kind=kind, require_gold=gold and "label" in columns
            )
        except DataError as error:
            is_clear(error)
            continue
        assert len(pool) == report.kept > 0
        assert pool.fingerprint
        assert all(record.text.encode() and record.id.encode() for record in pool)
        assert report.lines()


@pytest.mark.parametrize("suffix", SUFFIXES)
@HOW_OFTEN
def test_a_pool_is_read_or_refused(suffix: str, examples: int, tmp_path: Path) -> None:
    path = tmp_path / f"pool{suffix}"

    def check(given: tuple[bytes, str, bool, bool]) -> None:
        content, kind, packed, named = given
        path.write_bytes(gzip.compress(content) if packed and suffix.endswith("gz") else content)
        _read(path, kind, **({"id": "id", "label": "label", "answers": "answers"} if named else {}))

    given = st.tuples(CONTENT, st.sampled_from(KINDS), st.booleans(), st.booleans())
    check((b"\x80\tB-\x00", "spans", False, False))  # a token that is no Unicode
    holds(examples, given, check)


def _parquet(values: list[Any]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kind = pa.list_(pa.string()) if isinstance(values[0], list) else None
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"text": pa.array(values, kind)}), buffer)
    return buffer.getvalue()


def test_parquet_with_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "pool.parquet"
    path.write_bytes(_parquet(["caf__", "fine"]).replace(b"caf__", b"caf\xe9\xff"))
    with pytest.raises(DataError, match="not a readable Parquet"):
        read_pool(DataSection(path=path), labels=None)


LINE = st.one_of(
    st.dictionaries(
        st.sampled_from(["accuracy", "f1.a", "stop.k.value", "stop.k.stop", "metric", "labels"]),
        JSON,
        max_size=6,
    ).map(json.dumps),
    JSON.map(json.dumps),
    TEXTS,
)


@HOW_OFTEN
def test_metrics_are_read_or_refused(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"

    def check(lines: list[str]) -> None:
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        try:
            rows = read_metrics(path)
        except DataError as error:
            is_clear(error)
            return
        assert all(isinstance(number(row, key), float | None) for row in rows for key in row)
        assert metric_of(rows)
        assert effort_of(rows)
        assert all(advice(row) is not None for row in rows)
        assert class_names(rows) is not None

    holds(examples, st.lists(LINE, max_size=4), check)


EVENT = st.tuples(mixed(*codec._READERS).filter(lambda name: isinstance(name, str)), JSON)
ITEM = st.fixed_dictionaries(
    {"record_id": TEXTS, "score": JSON, "suggestion": st.one_of(JSON, st.fixed_dictionaries(
        {"value": JSON, "score": JSON}
    ))}
)  # fmt: skip
PLANNED = st.fixed_dictionaries(
    {"at": JSON, "seconds": JSON, "batch": st.fixed_dictionaries(
        {"id": JSON, "round": JSON, "strategy": JSON, "model_id": JSON, "items": st.lists(ITEM)}
    )}
)  # fmt: skip
COLLECTED = st.fixed_dictionaries(
    {"at": JSON, "deleted": JSON, "restored": JSON, "answers": st.lists(st.fixed_dictionaries(
        {"record_id": TEXTS, "annotator": TEXTS, "status": mixed("submitted", "invalid"),
         "value": JSON, "time": JSON}
    ), max_size=3)}
)  # fmt: skip


@HOW_OFTEN
def test_an_event_is_decoded_or_refused(examples: int) -> None:
    near = st.one_of(
        EVENT,
        st.tuples(st.just("BatchPlanned"), PLANNED),
        st.tuples(st.just("AnswersCollected"), COLLECTED),
    )
    raw = st.tuples(st.sampled_from(sorted(codec._READERS)), TEXTS)

    def check(given: tuple[str, Any]) -> None:
        name, fields = given
        try:
            codec.decode(name, fields if isinstance(fields, str) else json.dumps(fields))
        except JournalError as error:
            is_clear(error)

    holds(examples, st.one_of(near, raw), check)


@HOW_OFTEN
def test_a_journal_file_is_read_or_refused(examples: int, tmp_path: Path) -> None:
    """Bytes of a real journal are changed, or the file is anything at all."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.append(codec.decode("RunStopped", '{"at":1.0,"reason":"x"}'))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    real = path.read_bytes()

    def check(changes: bytes | list[tuple[int, int]]) -> None:
        content = bytearray(real)
        if isinstance(changes, bytes):
            content = bytearray(changes)
        else:
            for place, value in changes:
                content[place % len(content)] = value
        for other in tmp_path.glob("journal.sqlite-*"):
            other.unlink()
        path.write_bytes(content)
        try:
            with Journal(path, read_only=True) as journal:
                fold(journal.read())
        except (JournalError, StorageError) as error:
            is_clear(error)

    edits = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8)
    check([(3970, 128)])  # SQLite's own description of this damage is no UTF-8
    check([(4006, 32)])  # a number became NULL
    holds(examples, st.one_of(edits, st.binary(max_size=300)), check)
