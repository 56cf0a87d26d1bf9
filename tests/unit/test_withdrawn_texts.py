"""What is kept of withdrawn texts, and what must not be: hashes, bytes, a journal written anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.data.pool import Pool
from loopd.errors import StorageError
from loopd.events import AnswersCollected, RunStarted
from loopd.records import Answer, AnswerStatus, ExternalId, PoolId, Record
from loopd.storage.byte_search import CHUNK, files_below, forms, holding
from loopd.storage.journal import Journal
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.withdrawn_texts import read_withdrawn, write_withdrawn

STARTED = RunStarted(1.0, "c", 1, ("a", "b"), "p", "t", "d", {})
TYPED = 'the "whole" text,\nas somebody has typed it — again 🍎'


def test_a_text_is_known_again_by_this_run_alone(tmp_path: Path) -> None:
    known = read_withdrawn(tmp_path).plus(["one text"], ["f0", "f1"], [PoolId("r1")])
    write_withdrawn(tmp_path, known)
    again = read_withdrawn(tmp_path)
    assert again == known
    assert (again.holds("one text"), again.holds("another")) == (True, False)
    assert again.before == {"f0": 1, "f1": 2}
    written = (tmp_path / "pool" / "withdrawn.json").read_text()
    assert "one text" not in written
    other = read_withdrawn(tmp_path / "other").plus(["one text"], [], [])
    assert not other.digests & again.digests


def test_fingerprints_keep_their_first_number(tmp_path: Path) -> None:
    known = read_withdrawn(tmp_path).plus(["a"], ["f0", "f1"], []).plus(["b"], ["f0", "f2"], [])
    assert known.before == {"f0": 1, "f1": 2, "f2": 2}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"key": "zz"}', b'{"key": "00", "texts": 1}'])
def test_damage_is_no_reason_to_forget(tmp_path: Path, content: bytes) -> None:
    write_withdrawn(tmp_path, read_withdrawn(tmp_path))
    (tmp_path / "pool" / "withdrawn.json").write_bytes(content)
    with pytest.raises(StorageError, match="might come back"):
        read_withdrawn(tmp_path)


def test_requests_wait_in_order_and_damaged_ones_stay(tmp_path: Path) -> None:
    requests = RemovalRequests(tmp_path)
    requests.leave([PoolId("r2"), PoolId("r1")])
    requests.leave([PoolId("r3")])
    (tmp_path / "inbox" / "0-damaged.remove.json").write_text("{[")
    assert len(requests.waiting()) == 3
    found = requests.readable()
    assert list(found.values()) == [{"r1", "r2"}, {"r3"}]
    requests.take_out([*found, *found])
    (left,) = requests.waiting()
    assert left.name == "0-damaged.remove.json"


# -- bytes -----------------------------------------------------------------------------------------


@given(st.text(min_size=8, max_size=40), st.integers(0, 3))
def test_a_text_is_found_however_it_is_written(text: str, way: int) -> None:
    written = (
        text.encode("utf-8", "surrogatepass"),
        text.encode("utf-16-le", "surrogatepass"),
        json.dumps({"a": text}).encode(),
        json.dumps([text], ensure_ascii=False).encode("utf-8", "surrogatepass"),
    )[way]
    assert any(form in written for form in forms([text]))


def test_a_text_across_two_chunks_is_found(tmp_path: Path) -> None:
    needle = "a text of some length"
    for name, before in (("across", CHUNK - 5), ("at once", 10), ("without", 0)):
        text = "" if name == "without" else needle
        (tmp_path / name).write_bytes(b"x" * before + text.encode() + b"y" * 10)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    found = holding(files_below(tmp_path), forms([needle]))
    assert [path.name for path in found] == ["across", "at once"]
    assert list(holding(files_below(tmp_path), forms([]))) == []


def test_a_word_is_not_looked_for() -> None:
    assert b"no" not in forms(["no"])


# -- the journal -----------------------------------------------------------------------------------


def answers(value: str | None) -> AnswersCollected:
    answer = Answer(ExternalId("r1"), "ann", AnswerStatus.INVALID, value, "t")
    return AnswersCollected(2.0, (answer,))


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_journal_that_is_written_anew_keeps_no_byte_of_before(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append(STARTED)
        for number in range(200):
            journal.append(answers(f"{TYPED} {number}"))
        assert any(form in bytes_of(tmp_path) for form in forms([TYPED]))
        journal.rewrite([STARTED, answers(None)])
        assert not any(form in bytes_of(tmp_path) for form in forms([TYPED]))
        journal.append(answers("x"))
        assert journal.read() == [STARTED, answers(None), answers("x")]
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert len(journal.read()) == 3
    assert not any(form in bytes_of(tmp_path) for form in forms([TYPED]))


def test_a_journal_that_cannot_be_written_anew_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append(STARTED)
        journal.append(answers("x"))
        real, calls = Journal.append, []

        def fails(self: Journal, event: AnswersCollected) -> None:
            calls.append(event)
            if len(calls) > 1:
                raise KeyboardInterrupt
            real(self, event)

        monkeypatch.setattr(Journal, "append", fails)
        with pytest.raises(KeyboardInterrupt):
            journal.rewrite([STARTED, answers(None)])
        monkeypatch.undo()
        journal.append(answers("y"))
        assert journal.read() == [STARTED, answers("x"), answers("y")]


# -- the pool --------------------------------------------------------------------------------------


def test_a_pool_without_texts_keeps_ids_positions_and_who_was_answered() -> None:
    some = (("ann", "fruit"),)
    records = [
        Record(PoolId(f"r{n}"), f"text {n}", "fruit", some if n % 2 else ()) for n in range(4)
    ]
    pool = Pool(tuple(records[:2])).grown(records[2:])
    after = pool.without_texts([PoolId("r1"), PoolId("r2"), PoolId("nobody")])
    assert [record.text for record in after] == ["text 0", "", "", "text 3"]
    assert (after.intakes, list(after.positions)) == (pool.intakes, list(pool.positions))
    assert [bool(record.answers) for record in after] == [False, True, False, True]
    assert after[PoolId("r1")].gold is None
    assert after.without_texts([PoolId("r1")]) is after
    again = Pool(after.records[:2]).grown(after.records[2:])
    assert again.fingerprints == after.fingerprints
    assert set(after.fingerprints).isdisjoint(pool.fingerprints)
