"""Texts in the run's folder: whatever happens to a file, the process says so and lives."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from loopd.errors import NewerError, StorageError
from loopd.records import PoolId, Record
from loopd.storage.arrow_records import read_notes, read_records, write_records

RECORDS = tuple(
    Record(PoolId(f"t{n}"), f"text {n} \u00e4 \U0001f600", "fruit", shown=(("at", str(n)),))
    for n in range(40)
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_records(path, RECORDS, {"source": "a.csv"})
    records, notes = read_records(path)
    assert records == RECORDS
    assert notes["source"] == "a.csv"


def test_a_flipped_byte_ends_no_process(tmp_path: Path) -> None:
    """It may hit a text: that is for the fingerprint to say."""
    path = tmp_path / "a.arrow"
    write_records(path, RECORDS, {"source": "a.csv"})
    whole, rng = path.read_bytes(), random.Random(0)
    damaged = 0
    for _ in range(250):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            read_records(path)
        except (StorageError, NewerError):
            damaged += 1
    assert damaged > 20


@pytest.mark.parametrize("count", ["39", "41", "", "many"])
def test_a_file_that_says_another_number_of_records_is_damaged(tmp_path: Path, count: str) -> None:
    """Whole blocks may be gone from its end, and each of the others is sound."""
    path = tmp_path / "a.arrow"
    write_records(path, RECORDS, {"records": count})
    with pytest.raises(StorageError, match="damaged"):
        read_records(path)


def test_an_arrow_file_of_another_program_is_none_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    block = pa.record_batch([["r1"], ["a text"]], names=["id", "text"])
    with pa.ipc.new_file(str(path), block.schema) as file:
        file.write_batch(block)
    for read in (read_notes, read_records):
        with pytest.raises(StorageError, match="damaged") as caught:
            read(path)
        assert not isinstance(caught.value, NewerError)


def test_an_absent_file_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        read_records(tmp_path / "a.arrow")
