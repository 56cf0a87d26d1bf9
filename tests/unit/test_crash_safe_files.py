"""Small files outlive a loss of power: what is renamed is on the disk, and so is the renaming."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loopd.errors import LockedError, StorageError
from loopd.storage.files import write_atomic
from loopd.storage.lock import holder, is_held_here, refuse_held, run_lock
from loopd.storage.replacing import write_journal
from tests.unit.test_replacing import SOME


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the disk and what was renamed, in order."""
    taken: list[str] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        taken.append("sync folder" if is_folder else f"sync {os.fstat(handle).st_size} bytes")
        sync(handle)

    def renaming(real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def step(path: Path, target: Path) -> Path:
            taken.append(f"rename to {Path(target).name}")
            return real(path, target)

        return step

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renaming(replace))
    monkeypatch.setattr(Path, "rename", renaming(rename))
    return taken


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, steps: list[str]) -> None:
    write_atomic(tmp_path / "file", "12345")
    assert steps == ["sync 5 bytes", "rename to file", "sync folder"]


def test_a_journal_that_takes_its_name_is_on_the_disk(tmp_path: Path, steps: list[str]) -> None:
    write_journal(tmp_path / "journal.sqlite", SOME)
    assert steps == ["rename to journal.sqlite", "sync folder"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "file", "old")

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="Input/output"):
        write_atomic(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "folder" / "file", "x")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "folder" / "file").stat().st_mode) == 0o600


def test_one_daemon_at_a_time(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(LockedError, match=f"process {os.getpid()}"), run_lock(tmp_path):
            pass
        with pytest.raises(LockedError):
            refuse_held(tmp_path)
    assert holder(tmp_path) is None
    refuse_held(tmp_path)


def test_only_who_has_taken_the_lock_holds_it(tmp_path: Path) -> None:
    held: list[bool] = []
    assert not is_held_here(tmp_path)
    with run_lock(tmp_path):
        assert is_held_here(tmp_path)
        assert is_held_here(tmp_path / "." / "absent" / "..")
        thread = threading.Thread(target=lambda: held.append(is_held_here(tmp_path)))
        thread.start()
        thread.join()
        with pytest.raises(LockedError), run_lock(tmp_path):
            pass
        assert is_held_here(tmp_path)
    assert held == [False]
    assert not is_held_here(tmp_path)
