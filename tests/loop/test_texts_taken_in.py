"""Which texts a run goes on with: those of its folder, and no others that lie there by mistake."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loopd.data.pool import Pool
from loopd.data.stored_pool import StoredPool
from loopd.errors import StorageError
from loopd.loop import large_pool
from loopd.loop.fetched_files import drop, fetched_folder
from loopd.loop.followed_files import FollowedFiles
from loopd.loop.large_pool import grown, moved_to_disk
from loopd.loop.pool_source import PoolNews
from loopd.loop.taken_in import all_kept, kept
from loopd.records import PoolId, Record
from loopd.storage.arrow_records import read_records, write_records
from loopd.storage.pool_table import PoolTable
from loopd.storage.run_folder import POOL_FOLDER
from tests.loop.conftest import make_pool
from tests.loop.growing import GrowingRun, rows, write_rows

pytestmark = pytest.mark.whatever_the_store

wherever_the_pool_is = pytest.mark.parametrize("large_from", [10**9, 1], ids=["memory", "disk"])


def begun(folder: Path, **pool: object) -> GrowingRun:
    write_rows(folder / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(folder, {"pool": pool})
    run.start()
    run.people_rest = True
    return run


def with_intake(folder: Path) -> GrowingRun:
    """A run that three texts have joined."""
    run = begun(folder)
    write_rows(folder / "tickets" / "day2.csv", rows(40, 3))
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    run.turn()
    return run


# -- another table ---------------------------------------------------------------------------------


def test_a_table_that_is_lost_is_not_read_again_once_texts_have_joined(tmp_path: Path) -> None:
    """Nobody could tell any more in which order they did."""
    run = with_intake(tmp_path)
    shutil.rmtree(run.config.run.dir / POOL_FOLDER)
    with pytest.raises(StorageError, match="does not hold the texts that this run has read") as no:
        run.started_again()
    assert "restore its folder `pool` from a backup" in (no.value.hint or "")
    assert not (run.config.run.dir / POOL_FOLDER / "000000.arrow").exists()


@wherever_the_pool_is
def test_a_table_of_another_run_is_not_worked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large_from: int
) -> None:
    monkeypatch.setattr(large_pool, "ON_DISK_FROM", large_from)
    run, other = begun(tmp_path), make_pool(40, "z")
    table, fingerprint = PoolTable(run.config.run.dir), run.tools.data.pool.fingerprint
    table.put(0, other.records, fingerprints=(other.fingerprint, other.fingerprint))
    with pytest.raises(StorageError, match="does not hold the texts that this run has read"):
        kept(run.config, fingerprint)
    again = run.started_again()  # the source still has its texts
    assert again.tools.data.pool.records == run.tools.data.pool.records
    table.put(0, other.records, fingerprints=(other.fingerprint, other.fingerprint))
    (tmp_path / "tickets" / "day1.csv").unlink()
    with pytest.raises(StorageError, match="does not hold the texts") as caught:
        run.started_again()
    assert "loopd recover" in (caught.value.hint or "")
    assert list(table.intakes()) == [other.records]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_whoever_has_lost_the_journal_has_all_texts_once(tmp_path: Path, number: int) -> None:
    """The last intake may have no fact, so that its texts have joined once more."""
    run = begun(tmp_path)
    table = PoolTable(run.config.run.dir)
    first, later = make_pool(40).records, make_pool(50).records
    shutil.rmtree(run.config.run.dir / POOL_FOLDER)
    for row, records in enumerate([first, later[35:45], later[38:]][: number + 1]):
        table.put(row, records)
    pool = all_kept(run.config)
    assert pool is not None
    assert pool.ends == (40, 45, 50)[: number + 1]
    assert pool.records == later[: (40, 45, 50)[number]]
    again = Pool(first)
    for start, end in [(40, 45), (45, 50)][:number]:
        again = again.grown(later[start:end])
    assert pool.fingerprints == again.fingerprints


def test_without_a_table_there_is_nothing_to_recover(tmp_path: Path) -> None:
    assert all_kept(GrowingRun(tmp_path).config) is None


def test_a_large_table_that_lies_about_its_texts_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes of a file are believed until something is built on them."""
    monkeypatch.setattr(large_pool, "ON_DISK_FROM", 1)
    run = begun(tmp_path)
    path = run.config.run.dir / POOL_FOLDER / "000000.arrow"
    records, notes = read_records(path)
    changed = (Record(records[0].id, "another text"), *records[1:])
    write_records(path, changed, {name: notes[name] for name in notes if "fingerprint" in name})
    pool = moved_to_disk(run.config, run.tools.data.pool)
    assert isinstance(pool, StoredPool)
    with pytest.raises(StorageError, match="does not hold the texts that this run has read") as no:
        grown(run.config, pool, [Record(PoolId("new"), "a new text")], "day2.csv")
    assert no.value.hint == "restore its folder `pool` from a backup"
    assert [one.name for one in path.parent.glob("*.arrow")] == ["000000.arrow"]


# -- the files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["tickets", "tickets/*.csv"])
def test_a_folder_that_is_empty_by_now_is_no_news(tmp_path: Path, where: str) -> None:
    """Whoever moves files away that were read means no harm; a single file is missed."""
    run = begun(tmp_path, path=where, follow=None)
    (tmp_path / "tickets" / "day1.csv").unlink()
    again = run.started_again()
    assert again.tools.data.news == PoolNews()
    assert again.tools.data.news.sentence() == ""
    assert again.tools.data.pool.records == run.tools.data.pool.records
    again.people_rest = False
    assert again.run_until(lambda state: len(state.batches) >= 2).stopped is None


def test_a_file_that_changes_while_it_is_read_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, now = begun(tmp_path), [0.0]
    path, files = tmp_path / "tickets" / "day2.csv", FollowedFiles(run.config, lambda: now[0])
    write_rows(path, rows(40, 2))
    real: Callable[..., object] = FollowedFiles._read_one
    reads: list[Path] = []

    def while_somebody_writes(one: FollowedFiles, *args: object, **named: object) -> object:
        result = real(one, *args, **named)
        reads.append(path)
        if len(reads) == 1:
            write_rows(path, rows(40, 5))
        return result

    monkeypatch.setattr(FollowedFiles, "_read_one", while_somebody_writes)
    deliveries = []
    for _ in range(12):
        deliveries.append(files.look(run.tools.data.pool))
        now[0] += 1.0
    assert len(reads) == 2, "soon, not after a whole pace"
    (delivery,) = (one for one in deliveries if one is not None)
    assert [record.id for record in delivery.records] == [id_ for id_, _, _ in rows(40, 5)]
    assert (delivery.source, delivery.refused) == ("day2.csv", 0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/files/", None])
def test_only_what_was_brought_here_is_dropped(tmp_path: Path, url: str | None) -> None:
    pool = {"path": None, "url": url} if url else {"path": "run/fetched"}
    config = GrowingRun(tmp_path, {"pool": pool}).config
    folder = fetched_folder(config)
    paths = [folder / "a.csv", folder / "below" / "b.csv", tmp_path / "c.csv"]
    for path in paths:
        write_rows(path, rows(0, 1))
    drop(config, [*reversed(paths), folder / "gone.csv", str(folder / "below")])
    assert [path.exists() for path in paths] == [url is None, True, True]
