"""A run whose pool stays on disk makes the batches of one that holds it in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loopd.data.stored_pool import StoredPool
from loopd.errors import StorageError
from loopd.events import PoolGrew
from loopd.loop import large_pool
from loopd.loop.daemon import _Entering
from loopd.loop.large_pool import moved_to_disk
from loopd.loop.taken_in import kept
from loopd.operations.texts import texts_of
from loopd.storage import arrow_records, intake_index, stored_intake
from loopd.storage.arrow_records import read_records, write_records
from tests.loop.growing import GrowingRun, rows, write_rows
from tests.loop.test_growing import batches, every_point

pytestmark = pytest.mark.whatever_the_store


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pool is large enough to stay on disk, in several blocks and with indexes of its own."""
    monkeypatch.setattr(arrow_records, "ROWS", 16)
    monkeypatch.setattr(stored_intake, "ROWS", 16)
    monkeypatch.setattr(intake_index, "KEPT_FROM", 20)
    monkeypatch.setattr(large_pool, "ON_DISK_FROM", 1)


def begun(folder: Path) -> GrowingRun:
    write_rows(folder / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(folder)
    run.start()
    run.tools.work_with(moved_to_disk(run.config, run.tools.data.pool))
    return run


def went_on(run: GrowingRun, *, again: bool) -> GrowingRun:
    """The run to its end; a file arrives after the second batch, and processes change twice."""
    run.run_until(batches(2))
    run = run.started_again() if again else run
    write_rows(run.folder / "tickets" / "day2.csv", rows(38, 30))
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    run = run.started_again() if again else run
    run.run_until(lambda _: False)
    return run


def test_a_daemon_leaves_memory_once_the_texts_are_kept(tmp_path: Path, on_disk: None) -> None:
    write_rows(tmp_path / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(tmp_path)
    run.start()
    before = run.tools.data.pool
    entering = object.__new__(_Entering)
    entering.config, entering.datasets, entering.loop = run.config, run.tools.data, run.loop
    entering._leave_memory()
    assert isinstance(run.tools.data.pool, StoredPool)
    assert run.tools.data.pool is entering.datasets.pool is run.tools.learner._pool
    assert run.tools.data.pool.fingerprint == before.fingerprint
    assert not isinstance(before, StoredPool)


@pytest.mark.parametrize("again", [True, False])
def test_batches_and_fingerprints_are_those_of_a_pool_in_memory(
    tmp_path: Path, on_disk: None, again: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_pool, "ON_DISK_FROM", 10**9)
        in_memory = went_on(begun(tmp_path / "memory"), again=False)
    stored = went_on(begun(tmp_path / "disk"), again=again)
    assert not isinstance(in_memory.tools.data.pool, StoredPool)
    assert isinstance(stored.tools.data.pool, StoredPool)
    assert stored.batches == in_memory.batches
    assert stored.tools.data.pool.intakes == (40, 28)
    prints = [
        [
            (each.fingerprint, each.pool_fingerprint)
            for each in run.events
            if isinstance(each, PoolGrew)
        ]
        for run in (stored, in_memory)
    ]
    assert prints[0] == prints[1]
    assert list(stored.tools.data.pool) == list(in_memory.tools.data.pool)


def test_killed_at_some_points_of_an_intake_the_batches_are_the_same(
    tmp_path: Path, on_disk: None
) -> None:
    every_point(7, tmp_path)


def test_the_files_of_an_earlier_version_are_read_once_and_go_on(
    tmp_path: Path, on_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path)
    run.run_until(batches(2))
    for path in sorted(run.config.run.dir.rglob("*.arrow")):
        records, notes = read_records(path)
        with monkeypatch.context() as patch:
            patch.setattr(arrow_records, "CHECKED", "none")
            patch.setattr(arrow_records, "CHECKSUM", "none")
            write_records(path, records, {"source": notes["source"]})
    again = went_on(run.started_again(), again=True)
    assert isinstance(again.tools.data.pool, StoredPool)
    assert len(again.tools.data.pool) == 68


def test_a_page_says_that_the_texts_are_damaged_and_a_start_refuses(
    tmp_path: Path, on_disk: None
) -> None:
    run = begun(tmp_path)
    run.run_until(batches(1))
    pool, notes = texts_of(run.config, run.state)
    assert (len(pool), notes) == (40, [])
    (path,) = run.config.run.dir.rglob("*.arrow")
    content = path.read_bytes()
    place = content.index(rows(30, 1)[0][1].encode())
    path.write_bytes(content[:place] + b"X" + content[place + 1 :])
    shutil.rmtree(path.with_suffix(".index"))
    (tmp_path / "tickets" / "day1.csv").unlink()
    damaged = kept(run.config, run.state.pool_fingerprint)
    assert damaged is not None
    with pytest.raises(StorageError, match="damaged"):
        list(damaged)
