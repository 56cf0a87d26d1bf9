"""Journals as somebody else might have written them: any rows, with digests that fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from loopd.storage.journal import _create, _digest

Row = tuple[str, str]
"""Name and payload of an event."""


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """A journal of these rows, which are not looked at."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        _create(db)
        db.execute("BEGIN")
        before = ""
        for number, (name, payload) in enumerate(rows, start=1):
            before = _digest(before, number, name, payload)
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (number, name, payload, before))
        db.execute("COMMIT")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of the last change of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }
