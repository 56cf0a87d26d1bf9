"""Owns the rule of one daemon for each run; must not know what the daemon does."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopd.errors import LockedError, StorageError
from loopd.storage.files import make_private, open_private, probe_private
from loopd.storage.run_folder import LOCK_NAME

_TRIES, _PAUSE = 5, 0.05

_taken: dict[Path, tuple[int, int]] = {}
"""Which process and thread of it has taken the lock of a folder: a fork has none of its parent's.
"""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run's lock; the operating system releases it when the process dies, however.

    Raises:
        LockedError: another process holds it.
    """
    path = folder / LOCK_NAME
    try:
        make_private(folder)
        handle = open_private(path)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        _take(handle, folder)
        place = folder.resolve()
        _taken[place] = _here()
        try:
            yield
        finally:
            _taken.pop(place, None)
    finally:
        os.close(handle)


def is_held_here(folder: Path) -> bool:
    """Whether this very thread has taken the run's lock.

    Process ids cannot tell: in containers several processes have the same one.
    """
    return _taken.get(folder.resolve()) == _here()


def refuse_held(folder: Path) -> None:
    """Raise what :func:`run_lock` would now; makes nothing, and leaves the lock to others.

    Raises:
        LockedError: another process holds it.
        StorageError: the folder cannot be made or written.
    """
    path = folder / LOCK_NAME
    try:
        probe_private(path)
    except OSError as error:
        raise _cannot_open(path, error) from error
    process = holder(folder)
    if process is not None:
        raise _held(folder, process)


def holder(folder: Path) -> int | None:
    """Process id of the daemon on this run, ``None`` when nobody holds the lock."""
    try:
        handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _read_pid(handle)
    finally:
        os.close(handle)


def _here() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def _take(handle: int, folder: Path) -> None:
    if not _locked(handle):
        raise _held(folder, _read_pid(handle))
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)


def _held(folder: Path, process: int) -> LockedError:
    return LockedError(
        f"another loopd (process {process}) works on {folder}",
        "end it first, or choose another run.dir",
    )


def _cannot_open(path: Path, error: OSError) -> StorageError:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        problem = f"run.dir cannot be {path.parent}: a file is in its place"
        return StorageError(problem, "name another folder in run.dir")
    hint = "make its folder writable, or name another one in run.dir"
    return StorageError(f"cannot open {path}: {error.strerror}", hint)


def _locked(handle: int) -> bool:
    """Take the lock; a ``loopd status`` that looks right now has it for a moment only."""
    pause = threading.Event()
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause.wait(_PAUSE)
        else:
            return True
    return False


def _read_pid(handle: int) -> int:
    text = os.pread(handle, 20, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else 0
