"""A pool on disk answers as the one in memory does, and damage to its files is noticed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from loopd.data.arrivals import arrivals
from loopd.data.pool import Pool
from loopd.data.reading import leaks
from loopd.data.stored_pool import StoredPool
from loopd.errors import NewerError, StorageError
from loopd.learning.pool_rows import PoolRows
from loopd.learning.random_draw import drawn_at_random
from loopd.loop import large_pool
from loopd.loop.audit_draws import set_aside
from loopd.loop.labelled_test import reserved
from loopd.loop.large_pool import is_large, on_disk
from loopd.loop.stop_sets import of_the_beginning, smallest_numbers
from loopd.loop.strata import strata
from loopd.machine import State
from loopd.records import PoolId, Record, Span
from loopd.storage import arrow_records, intake_index, stored_intake
from loopd.storage.arrow_records import write_records
from loopd.storage.pool_table import PoolTable
from tests.fuzz.properties import HOW_OFTEN, holds

GOLD = st.sampled_from((None, "fruit", ("a", "b"), (), (Span(0, 1, "x"),)))
ANSWERS = st.sampled_from(((), (), (("ann", "fruit"), ("bob", ["a"]))))
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
RECORDS = st.builds(Record, WORDS.map(PoolId), WORDS, GOLD, ANSWERS)
INTAKES = st.lists(st.lists(RECORDS, min_size=1, max_size=12), min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of five records; an index on disk for each intake of three and more."""
    monkeypatch.setattr(arrow_records, "ROWS", 5)
    monkeypatch.setattr(stored_intake, "ROWS", 5)
    monkeypatch.setattr(intake_index, "KEPT_FROM", 3)
    monkeypatch.setattr(intake_index, "AT_ONCE", 4)
    monkeypatch.setattr(large_pool, "ON_DISK_FROM", 0)


def pool_of(intakes: Sequence[Sequence[Record]]) -> Pool:
    """The texts of these that are new each, in memory."""
    pool = Pool(arrivals(Pool(()), intakes[0]).new)
    for records in intakes[1:]:
        found = arrivals(pool, records).new
        pool = pool.grown(found) if found else pool
    return pool


def table_of(pool: Pool, folder: Path, *, told: bool = True) -> PoolTable:
    """Its table; ``told``: the files say their fingerprints."""
    table, behind = PoolTable(folder), pool_of([pool.parts[0]])
    for number, piece in enumerate(pool.pieces):
        behind = behind.grown(piece.records) if number else behind
        prints = (piece.fingerprint, behind.fingerprint) if told else ("", "")
        table.put(number, piece.records, "a.csv", prints)
    return table


def everything(pool: Pool, ids: list[PoolId], texts: list[str]) -> list[Any]:
    """What anybody asks a pool, in comparable form."""
    rng, state = np.random.default_rng, State()
    aside = set_aside(pool, 0.3, 1)
    return [
        len(pool),
        list(pool),
        pool.intakes or (len(pool),),
        pool.ends,
        [list(part) for part in pool.parts],
        [(list(piece), piece.fingerprint) for piece in pool.pieces],
        pool.fingerprint,
        [pool.size_at(piece.fingerprint) for piece in pool.pieces],
        list(pool.texts),
        [pool.texts[n] for n in range(-1, len(pool))],
        list(pool.texts[1:7]),
        list(pool.ids),
        list(pool.records[::-2]),
        list(pool.records[3:]),
        dict(pool.positions),
        dict(pool.ids_by_text),
        list(pool.answered),
        pool.ids_at(range(len(pool) - 1, -1, -1)),
        [(id_ in pool, id_ in pool and pool[id_]) for id_ in ids],
        [text in pool.text_set for text in texts],
        [pool.ids_by_text.get(text) for text in texts],
        set(texts) & pool.text_set,
        list(pool.find(ids)),
        list(pool.find_texts(texts)),
        PoolRows(pool).of(ids).tolist(),
        PoolRows(pool).aligned({id_: "x" + id_ for id_ in pool.ids})[1],
        drawn_at_random(pool, 3, ids, rng(0)),
        aside,
        set_aside(pool, 0.3, 1, "shuffled"),
        smallest_numbers(pool, 4, 1),
        of_the_beginning(pool, 4, 1),
        strata(state, pool, aside),
        reserved(pool, 1, 1) if len(pool.parts[0]) > 8 else (),
        leaks(pool, Pool((Record(PoolId("t"), texts[0].upper()),))),
    ]


@HOW_OFTEN
@pytest.mark.parametrize("told", [True, False])
def test_a_view_answers_as_the_pool_in_memory(examples: int, tmp_path: Path, told: bool) -> None:
    def check(value: tuple[list[list[Record]], list[Record]]) -> None:
        intakes, more = value
        pool, folder = pool_of(intakes), tmp_path / str(random.random())
        view = on_disk(table_of(pool, folder, told=told), pool.fingerprint)
        assert isinstance(view, StoredPool)
        ids = [record.id for record in (*more, *intakes[0][:3])]
        texts = [record.text for record in (*more, *intakes[-1][:3])]
        expected = everything(pool, ids, texts)
        assert everything(view, ids, texts) == expected
        assert arrivals(view, more) == arrivals(pool, more)
        assert everything(pickle.loads(pickle.dumps(view)), ids, texts) == expected  # noqa: S301
        again = on_disk(PoolTable(folder), pool.fingerprint)  # with the indexes that are there now
        assert again is not None
        assert everything(again, ids, texts) == expected

    holds(examples, st.tuples(INTAKES, st.lists(RECORDS, min_size=1, max_size=8)), check)


def made(count: int, folder: Path) -> tuple[Pool, PoolTable]:
    """A pool of two intakes, and its table."""
    records = [
        Record(PoolId(f"r{n}"), f"text {n} \u00e4 \U0001f600", "fruit") for n in range(count)
    ]
    pool = Pool(tuple(records[: count // 2])).grown(records[count // 2 :])
    return pool, table_of(pool, folder)


def test_nothing_is_read_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, table = made(40, tmp_path)
    read: list[int] = []
    real = arrow_records.read_block

    def counted(path: Path, number: int) -> Any:
        read.append(number)
        return real(path, number)

    monkeypatch.setattr(stored_intake, "read_block", counted)
    view = on_disk(table, pool.fingerprint)
    assert view is not None
    assert (len(view), view.fingerprint, view.size_at(pool.fingerprint)) == (
        len(pool),
        pool.fingerprint,
        len(pool),
    )
    assert [piece.fingerprint for piece in view.pieces] == [p.fingerprint for p in pool.pieces]
    assert read == []
    assert view.records[7] == pool.records[7]
    assert read == [1]
    assert view.find([PoolId("r3")]) == [3]
    read.clear()
    again = on_disk(table, pool.fingerprint)
    assert again is not None
    assert PoolId("r3") in again
    assert read == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "another"])
def test_an_index_that_is_not_whole_is_made_again(tmp_path: Path, damage: str) -> None:
    pool, table = made(40, tmp_path)
    whole = on_disk(table, pool.fingerprint)
    assert whole is not None
    assert whole.find([PoolId("r3"), PoolId("r30")]) == [3, 30]
    rng = random.Random(0)
    for file in sorted(tmp_path.rglob("*.index/*")):
        content = bytearray(file.read_bytes())
        if damage == "flipped":
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            file.write_bytes(content)
        elif damage == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "gone":
            file.unlink()
        else:
            file.write_bytes(bytes(content).replace(b"stamp", b"stemp"))
        view = on_disk(table, pool.fingerprint)
        assert view is not None
        assert list(view.find(pool.ids)) == list(range(40))
        assert list(view.ids) == list(pool.ids)


def test_of_flipped_bytes_every_one_is_noticed_by_whoever_reads_the_rows(tmp_path: Path) -> None:
    pool, table = made(40, tmp_path)
    (path, _) = sorted(tmp_path.rglob("*.arrow"))
    whole, rng, damaged = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            view = on_disk(table, pool.fingerprint)
            if view is not None:
                assert tuple(view.records) == pool.records
        except (StorageError, NewerError):
            damaged += 1
    assert damaged > 100


def test_a_file_whose_checksums_are_gone_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, table = made(10, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(arrow_records, "_checksum", lambda _: "")
        table_of(pool, tmp_path)
    view = on_disk(table, pool.fingerprint)
    assert view is not None
    with pytest.raises(StorageError, match="damaged"):
        list(view)


def test_what_lies_behind_the_last_fact_is_no_part_of_it(tmp_path: Path) -> None:
    pool, table = made(20, tmp_path)
    first = pool.pieces[0]
    assert list(on_disk(table, first.fingerprint) or ()) == list(first)
    (tmp_path / "pool" / "000002.arrow").write_bytes(b"cut off")
    assert is_large(table)
    assert list(on_disk(table, pool.fingerprint) or ()) == list(pool)
    with pytest.raises(StorageError):
        on_disk(table, "0" * 16)


def test_fingerprints_of_a_file_that_others_were_not_written_behind_are_not_believed(
    tmp_path: Path,
) -> None:
    pool, table = made(20, tmp_path)
    other = Pool((Record(PoolId("other"), "of another run"),))
    path = sorted(tmp_path.rglob("*.arrow"))[0]
    notes = {"fingerprint": other.fingerprint, "pool_fingerprint": other.fingerprint}
    write_records(path, other.records, notes)
    assert on_disk(table, pool.fingerprint) is None
    assert on_disk(table, other.fingerprint) is not None
