"""Owns crash-safe writing of small files; must not know what is in them."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from loopd.errors import StorageError

PRIVATE, SHARED = 0o600, 0o644
"""Permission bits of a file for its owner alone, and of one that others may read."""


def write_atomic(path: Path, data: bytes | str, mode: int = PRIVATE) -> None:
    """Write a file so that a reader or a crash sees either the old content or the whole new one.

    Args:
        path: target; its folder is created when absent.
        data: the whole content; text is encoded as UTF-8.
        mode: permission bits of the new file; its owner alone may read it otherwise.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    try:
        make_private(path.parent)
        _replace(path, payload, mode)
    except OSError as error:
        raise storage_error(path, error) from error


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those above it that are not there yet.

    A folder that is there already stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.parent.exists():
        make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: Path) -> int:
    """A descriptor of a file to read and write, made for its owner alone where it is absent.

    A symbolic link in its place is refused: it would make us write to a file of its maker's choice.

    Raises:
        OSError: it cannot be opened, or it is a symbolic link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, PRIVATE)


def storage_error(path: Path, error: OSError) -> StorageError:
    """Turn an operating system error about a path into loopd's error with a hint."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space, then start again: nothing is lost" if full else "check the permissions"
    return StorageError(f"cannot write {path}: {error.strerror or error}", hint)


def _replace(path: Path, payload: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder outlive a loss of power.

    Raises:
        OSError: it cannot be read.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
