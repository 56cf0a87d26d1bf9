"""Small files outlive a loss of power: what is renamed is on the disk, and so is the renaming."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopd.errors import LockedError, StorageError
from loopd.storage.files import probe_atomic, probe_folder, write_atomic
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


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of errors, of which the system answers the last where no name is given to a file."""
    errors: list[int] = []
    real = os.open

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if errors and flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errors[-1], os.strerror(errors[-1]))
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", opened)
    return errors


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, None])
def test_a_folder_is_tried_on_a_system_without_files_that_have_no_name(
    tmp_path: Path, refused: list[int], monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    real, tried = Path.rmdir, list[Path]()

    def rmdir(path: Path) -> None:
        tried.append(path)
        real(path)

    monkeypatch.setattr(Path, "rmdir", rmdir)
    if number is None:
        monkeypatch.delattr(os, "O_TMPFILE")
    else:
        refused.append(number)
    for probe in (probe_folder, lambda folder: probe_atomic(folder / "file")):
        probe(tmp_path)
    assert [path.parent for path in tried] == [tmp_path, tmp_path]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EROFS, "Read-only"), (errno.ENOSPC, "No space"), (13, "denied")]
)
def test_a_folder_in_which_nothing_can_be_made_is_refused_and_not_tried_again(
    tmp_path: Path, refused: list[int], number: int, words: str
) -> None:
    refused.append(number)
    with pytest.raises(StorageError, match=words) as caught:
        probe_folder(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert list(tmp_path.iterdir()) == []
