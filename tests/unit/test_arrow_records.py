"""Texts in the run's folder: whatever happens to a file, the process says so and lives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from loopd.errors import NewerError, StorageError
from loopd.records import PoolId, Record
from loopd.storage.arrow_records import read_records, write_records

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


def test_an_absent_file_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        read_records(tmp_path / "a.arrow")
