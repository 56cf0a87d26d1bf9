"""Journals that are put into the place of others: whole, and without losing the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopd.errors import StorageError
from loopd.storage.journal import Journal
from loopd.storage.replacing import keep_aside, write_journal
from tests.unit.test_machine import EVENTS

SOME = list(EVENTS.values())


def test_a_journal_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal.sqlite"
    path.parent.mkdir()
    (path.parent / ".journal.sqlite.new").write_text("an attempt that was killed")
    (path.parent / ".journal.sqlite.new-wal").write_text("its other part")
    write_journal(path, SOME)
    assert [each.name for each in path.parent.iterdir()] == ["journal.sqlite"]
    with Journal(path) as journal:
        assert journal.read() == SOME
        journal.append(SOME[0])


def test_nothing_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_text("mine")
    with pytest.raises(StorageError, match="appeared meanwhile"):
        write_journal(path, SOME)
    assert path.read_text() == "mine"


def test_what_is_kept_aside_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        for event in SOME:
            journal.append(event)
        wal = (tmp_path / "journal.sqlite-wal").read_bytes()
        aside = keep_aside(path, "now")
        assert aside == tmp_path / "journal-before-now.sqlite"
        assert (tmp_path / "journal-before-now.sqlite-wal").read_bytes() == wal
        assert not list(tmp_path.glob("journal.sqlite*"))
        with Journal(aside, read_only=True) as kept:
            assert kept.read() == SOME


def test_two_at_the_same_time_do_not_replace_each_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    kept = []
    for content in "abc":
        path.write_text(content)
        kept.append(keep_aside(path, "now"))
    assert [each.read_text() for each in kept if each is not None] == ["a", "b", "c"]
    assert keep_aside(path, "now") is None


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "file" / "journal.sqlite"
    (tmp_path / "no folder").mkdir()
    (tmp_path / "no folder" / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot"):
        write_journal(path, SOME)


def test_what_was_left_beside_a_journal_that_is_gone_is_moved_too(tmp_path: Path) -> None:
    """Else SQLite would play it back into the next one."""
    wal = tmp_path / "journal.sqlite-wal"
    wal.write_bytes(b"old events")
    aside = keep_aside(tmp_path / "journal.sqlite", "20260101T000000Z")
    assert aside is not None
    assert not wal.exists()
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"old events"
