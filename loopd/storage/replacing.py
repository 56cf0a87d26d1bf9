"""Owns putting a whole new journal into the place of one that is damaged; deletes no journal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from loopd.errors import StorageError
from loopd.events import Event
from loopd.storage.files import storage_error, sync_folder
from loopd.storage.journal import Journal

_PARTS = ("", "-wal", "-shm")
"""What SQLite appends to the name of a database for the files beside it."""


def write_journal(path: Path, events: Sequence[Event]) -> None:
    """Write a journal of these events where there is none; a crash leaves all of it or nothing.

    Raises:
        StorageError: the disk is full, the place cannot be written, or a file is there already.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        _clear(fresh)
        with Journal(fresh) as journal:
            for event in events:
                journal.append(event)
        if path.exists():
            raise StorageError(f"{path} has appeared meanwhile", "see what has written it")
        fresh.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def stamp(wall: float) -> str:
    """A moment as names of files carry it; ``wall`` in seconds since the epoch."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall))


def keep_aside(path: Path, stamp: str) -> Path | None:
    """Rename a file, with what SQLite keeps beside it, or a folder, so that its place is free.

    Args:
        path: the file or folder; ``None`` is returned where nothing of it is there. What was left
            beside a file that somebody has moved away goes too: SQLite would play it back.
        stamp: goes into the new name.

    Raises:
        StorageError: the folder cannot be written.
    """
    if not any(path.with_name(path.name + part).exists() for part in _PARTS):
        return None
    number, aside = 1, path.with_name(f"{path.stem}-before-{stamp}{path.suffix}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}-before-{stamp}-{number}{path.suffix}")
    try:
        for part in reversed(_PARTS):  # the database last: a crash on the way loses no part
            beside = path.with_name(path.name + part)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + part))
    except OSError as error:
        raise storage_error(path, error) from error
    return aside


def _clear(fresh: Path) -> None:
    """Remove what an earlier attempt left unfinished."""
    for part in _PARTS:
        fresh.with_name(fresh.name + part).unlink(missing_ok=True)
