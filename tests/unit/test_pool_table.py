"""The table of a run's texts, and what waits to join it: written anew, damaged, left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopd.errors import StorageError
from loopd.records import PoolId, Record, blanked
from loopd.storage.arrow_records import read_records, write_records
from loopd.storage.inbox import Inbox
from loopd.storage.intake_index import hashes_of, index_of
from loopd.storage.pool_table import PoolTable
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.stored_intake import StoredIntake

RECORDS = tuple(Record(PoolId(f"r{n}"), f"text {n}") for n in range(40))


def test_what_a_killed_process_has_left_of_an_index_goes_and_nothing_else(tmp_path: Path) -> None:
    table, folder = PoolTable(tmp_path), tmp_path / POOL_FOLDER
    table.put(0, RECORDS)
    for name in (".000000.index.ab12", ".000001.index.cd34", "000000.index"):
        (folder / name).mkdir()
        (folder / name / "texts_first.npy").write_bytes(b"hashes")
    table.drop_unfinished()
    assert {path.name for path in folder.iterdir()} == {"000000.arrow", "000000.index"}
    assert (folder / "000000.index" / "texts_first.npy").read_bytes() == b"hashes"
    assert list(table.intakes()) == [RECORDS]


@pytest.mark.parametrize("count", ["", "many", "-1", "4e1"])
def test_an_intake_that_does_not_say_how_many_it_has_is_damaged(tmp_path: Path, count: str) -> None:
    write_records(tmp_path / "000000.arrow", RECORDS, {"records": count})
    with pytest.raises(StorageError, match=r"000000.arrow is damaged"):
        StoredIntake(tmp_path / "000000.arrow")


@pytest.mark.parametrize("count", [39, 41])
def test_a_block_with_another_number_of_records_is_damaged(tmp_path: Path, count: int) -> None:
    """It is noticed at the first look at any of its records: positions could be others."""
    path = tmp_path / "000000.arrow"
    write_records(path, RECORDS, {"records": str(count)})
    intake = StoredIntake(path)
    assert len(intake) == count
    for read in (lambda: intake.record(0), lambda: list(intake.texts(0, 1))):
        with pytest.raises(StorageError, match=r"000000.arrow is damaged"):
            read()


def test_an_intake_without_records_has_no_id_and_no_text(tmp_path: Path) -> None:
    empty = index_of(tmp_path / "000000.index", "stamp", 0, iter(()))
    assert list(empty.find_ids(hashes_of(["r0", "r1"]))) == [-1, -1]
    assert list(empty.find_texts(hashes_of(["text 0"]))) == [-1]
    assert (list(empty.answered), empty.ids_at([])) == ([], [])
    full = index_of(tmp_path / "000001.index", "stamp", len(RECORDS), iter(RECORDS))
    assert list(full.find_texts(hashes_of(["text 7", "text 40"]))) == [7, -1]
    assert list(full.find_texts(hashes_of([]))) == []


def test_additions_of_which_all_stays_are_not_written_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.leave(RECORDS[:2], "first.csv", duplicates=1, refused=2)
    inbox.leave(RECORDS[2:], "second.csv", duplicates=3, refused=4)
    first, second = inbox.waiting()
    before = first.stat().st_ino, second.stat().st_ino
    inbox.rewrite(lambda record: record.id != "r5")
    assert inbox.waiting() == [first, second]
    assert first.stat().st_ino == before[0]
    assert second.stat().st_ino != before[1]
    assert inbox.read(first).records == RECORDS[:2]
    parcel = inbox.read(second)
    assert parcel.records == tuple(record for record in RECORDS[2:] if record.id != "r5")
    assert (parcel.source, parcel.duplicates, parcel.refused) == ("second.csv", 3, 4)


def test_an_intake_that_is_written_anew_keeps_positions_and_loses_its_index(tmp_path: Path) -> None:
    table, folder = PoolTable(tmp_path), tmp_path / POOL_FOLDER
    table.put(0, RECORDS, "a.csv")
    (folder / "000000.index").mkdir()
    table.rewrite(lambda record: blanked(record) if record.id == "r1" else record)
    records, notes = read_records(folder / "000000.arrow")
    assert [record.id for record in records] == [record.id for record in RECORDS]
    assert [record.id for record in records if not record.text] == ["r1"]
    assert notes["source"] == "a.csv"
    assert not (folder / "000000.index").exists()
