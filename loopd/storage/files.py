"""Owns crash-safe writing of small files; must not know what is in them."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    with whole_file(path, mode) as unfinished:
        unfinished.write_bytes(payload)


@contextmanager
def whole_file(path: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Where to write a file, which gets its name when the block ends well, and not before.

    Args:
        path, mode: as for ``write_atomic``.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    try:
        make_private(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "rb") as file:
                yield Path(name)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
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


def probe_private(path: Path) -> None:
    """Raise what making the folder of a file and opening it to write would; makes nothing.

    Raises:
        OSError: as :func:`make_private` and :func:`open_private`.
    """
    if os.path.lexists(path):
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
    else:
        _probe_inside(path.parent)


def probe_atomic(path: Path) -> None:
    """Refuse what :func:`write_atomic` could not write; writes nothing.

    Raises:
        StorageError: as :func:`write_atomic`.
    """
    try:
        _probe_inside(path.parent)
        if path.is_dir():
            raise _os_error(errno.EISDIR)
    except OSError as error:
        raise storage_error(path, error) from error


def probe_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made, or in which nothing can be made; makes nothing.

    Raises:
        StorageError: it is no folder, or cannot be written.
    """
    try:
        _probe_inside(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder that may not be there yet, for who is not root."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _probe_inside(folder: Path) -> None:
    _probe_folder(folder)
    if folder.exists():
        _probe_room(folder)


def _probe_folder(folder: Path) -> None:
    """Raise what :func:`make_private` would."""
    if folder.is_dir():
        return
    if os.path.lexists(folder):
        raise _os_error(errno.EEXIST)
    if not folder.parent.exists():
        _probe_folder(folder.parent)
    elif not folder.parent.is_dir():
        raise _os_error(errno.ENOTDIR)
    else:
        _probe_room(folder.parent)


def _probe_room(folder: Path) -> None:
    """Raise what making something in the folder would.

    A file without a name leaves no trace; where a file system has none, a folder is made and
    removed.
    """
    flag = getattr(os, "O_TMPFILE", None)
    try:
        if flag is not None:
            os.close(os.open(folder, flag | os.O_WRONLY | os.O_CLOEXEC, PRIVATE))
            return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
    Path(tempfile.mkdtemp(prefix=".loopd-", dir=folder)).rmdir()


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def storage_error(path: Path, error: OSError) -> StorageError:
    """Turn an operating system error about a path into loopd's error with a hint."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space, then start again: nothing is lost" if full else "check the permissions"
    return StorageError(f"cannot write {path}: {error.strerror or error}", hint)


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
