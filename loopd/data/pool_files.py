"""Owns which files a pool lies in, and whether one is still being written; reads no row."""

from __future__ import annotations

import codecs
import contextlib
import mmap
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from loopd.errors import DataError

SUFFIXES = (
    *(".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq"),
    *(".xlsx", ".xlsm", ".conll", ".iob", ".iob2", ".bio"),
)
"""How files in a folder are called that are read."""

LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Those that may grow line by line."""

PACKED = (".gz", ".gzip", ".zst")

UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".filepart")
"""How files are called that somebody is still writing."""

SAVED = ("state.json", "dataset_info.json", "dataset_dict.json")
"""What is in a folder that ``save_to_disk`` has made."""

BLOCK = 2**20

AT_REST = 60.0
"""Seconds after which a file is hardly written any more. Until then a copy of it is read: what is
appended meanwhile may be half a line."""

_OPENING = re.compile(rb'(?:\A(?:\xef\xbb\xbf)?|[,;|\t\r\n])"')
"""A quote at the beginning of a cell."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a file looked like from outside.

    Attributes:
        size: in bytes.
        changed: when it changed last, in nanoseconds.
    """

    size: int
    changed: int


def is_many(path: Path) -> bool:
    """Whether a path stands for files: a folder with some that can be read, or a pattern."""
    if is_there(path, Path.is_dir):
        return not is_saved(path) and bool(_finished(path))
    return has_magic(str(path)) and not is_there(path)


def is_saved(path: Path) -> bool:
    """Whether a path is a folder that ``save_to_disk`` has made, which is read as one file is."""
    return any(is_there(path / name) for name in SAVED)


def pool_files(path: Path) -> tuple[Path, ...]:
    """The files that a path stands for, in the order of their names; those being written not.

    A file is what it is; of a folder those directly in it, of a pattern all that fit.

    Raises:
        DataError: the folder may not be read.
    """
    if is_many(path):
        return _finished(path)
    return (path,) if is_there(path) else ()


def is_there(path: Path, look: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether a path is what it should be; never where it is none at all, such as a long one."""
    try:
        return look(path)
    except OSError:
        return False


def _finished(path: Path) -> tuple[Path, ...]:
    is_folder = path.is_dir()
    try:
        names = sorted(path.iterdir() if is_folder else _fitting(path))
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror or error}"
        raise DataError(problem, "see the permissions of the folder") from None
    return tuple(name for name in names if _is_finished(name, is_folder))


def look_at(path: Path) -> FileStamp | None:
    """What a file looks like now; ``None`` where it is gone.

    Of a folder that ``save_to_disk`` has made: what all files in it look like together.
    """
    try:
        found = [file.stat() for file in (_inside(path) if is_saved(path) else (path,))]
    except OSError:
        return None
    return FileStamp(sum(file.st_size for file in found), max(file.st_mtime_ns for file in found))


def _inside(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in folder.rglob("*") if path.is_file())


def complete_bytes(path: Path) -> int:
    """How much of a file is complete: of a file of lines all up to the end of its last one.

    A quoted cell of CSV may hold ends of lines: where a quote is open is no end. UTF-16 and ends of
    lines of old are not cut.

    Raises:
        DataError: it cannot be read.
    """
    look = look_at(path)
    if look is None:
        raise DataError(f"cannot read {path}: it is gone", "see whether somebody moves files away")
    if path.suffix.lower() not in LINES or not look.size or is_saved(path):
        return look.size
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return _complete(text, is_quoted=path.suffix.lower() == ".csv")
    except (OSError, ValueError) as error:  # the latter where it was emptied just now
        problem = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        raise DataError(problem, "see its permissions") from None


def _complete(text: mmap.mmap, *, is_quoted: bool) -> int:
    end = text.rfind(b"\n") + 1
    if text[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or (not end and b"\r" in text):
        return len(text)
    cut = _open_quote(text) if is_quoted else -1
    return end if cut < 0 else text.rfind(b"\n", 0, cut) + 1


def _open_quote(text: mmap.mmap) -> int:
    """Where the quoted cell begins in which a CSV file ends; -1 where it ends in none.

    A quote opens a cell at its beginning alone, and two of them in it are one of its text.
    """
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        closing = text.find(b'"', opening.end())
        while closing >= 0 and text[closing + 1 : closing + 2] == b'"':
            closing = text.find(b'"', closing + 2)
        if closing < 0:
            return opening.start()
        position = closing + 1
    return -1


def shown_name(path: Path) -> str:
    """The name of a file as text, whatever bytes it has."""
    return os.fsencode(path.name).decode("utf-8", "replace")


@contextlib.contextmanager
def complete(path: Path | None, scratch: Path | None) -> Iterator[Path | None]:
    """A file, or a copy of what is complete of it, which is removed afterwards.

    Args:
        path: of the file; ``None`` where there is none.
        scratch: folder of the copy; ``None``: the file as it is.

    Raises:
        DataError: it cannot be read.
    """
    if path is None or scratch is None or not is_there(path, Path.is_file):
        yield path
        return
    size, look = complete_bytes(path), path.stat()
    if size == look.st_size and time.time() - look.st_mtime > AT_REST:
        yield path
        return
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    if scratch.parent.is_dir():
        scratch.mkdir(mode=0o700)
    else:  # before the first run
        scratch = Path(tempfile.mkdtemp(prefix="loopd-"))
    try:
        with (scratch / path.name).open("wb") as copy:
            for block in _blocks(path):
                copy.write(block[:size])
                size -= min(size, len(block))
        yield scratch / path.name
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fitting(pattern: Path) -> Iterator[Path]:
    root = Path(pattern.anchor)
    return root.glob(str(pattern.relative_to(root)))


def _is_finished(path: Path, is_listed: bool) -> bool:
    return is_finished_name(path.name, is_listed) and path.is_file()


def is_finished_name(name: str, is_listed: bool) -> bool:
    """Whether a file is not called as something that is being written.

    Args:
        name: of the file.
        is_listed: whether it is there because it is in a folder: then it must be called as
            something that can be read.
    """
    name = name.lower()
    if name.startswith((".", "~", "_")) or name.endswith((*UNFINISHED, "~")):
        return False
    for ending in PACKED:
        name = name.removesuffix(ending)
    return not is_listed or name.endswith(SUFFIXES)


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror or error}"
        raise DataError(problem, "see its permissions") from None
