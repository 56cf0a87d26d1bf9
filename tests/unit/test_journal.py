"""The journal: what was appended is there, damage is noticed, newer formats are refused."""

import resource
import shutil
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopd.errors import JournalError, NewerError, RunError, StorageError
from loopd.storage import journal as module
from loopd.storage import recorded_run as recorded
from loopd.storage.journal import Journal, events_at
from loopd.storage.recorded_run import recorded_run
from tests.unit.test_machine import EVENTS, STARTED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Journal(tmp_path / "journal.sqlite") as journal:
        for event in EVENTS.values():
            journal.append(event)
    return tmp_path / "journal.sqlite"


def _change(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


def test_events_come_back_equal(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.read() == list(EVENTS.values())


def test_what_was_appended_outlives_a_loss_of_power(tmp_path: Path) -> None:
    """SQLite's documentation of ``PRAGMA synchronous``: in WAL mode only FULL (2) promises that."""
    for _ in ("a new journal", "one that is there"):
        with Journal(tmp_path / "journal.sqlite") as journal:
            ask = journal._db.execute
            assert ask("PRAGMA synchronous").fetchone() == (2,)
            assert ask("PRAGMA journal_mode").fetchone() == ("wal",)


def test_appending_goes_on_after_reopening(path: Path) -> None:
    extra = EVENTS[next(iter(EVENTS))]
    with Journal(path) as journal:
        journal.read()
        journal.append(extra)
    with Journal(path, read_only=True) as journal:
        assert journal.read()[-1] == extra


def test_reading_works_while_a_daemon_writes(path: Path) -> None:
    with Journal(path) as writer, Journal(path, read_only=True) as reader:
        writer.read()
        writer.append(EVENTS[next(iter(EVENTS))])
        assert len(reader.read()) == len(EVENTS) + 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET payload = replace(payload, 'random', 'randem') WHERE seq = 2",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET digest = 'x' WHERE seq = 4",
        "UPDATE events SET name = 'RunStopped' WHERE seq = 1",
    ],
)
def test_damage_is_noticed(path: Path, damage: str) -> None:
    _change(path, damage)
    with Journal(path) as journal, pytest.raises(JournalError, match="damaged at event"):
        journal.read()


def test_a_sound_row_of_another_journal_is_noticed(path: Path, tmp_path: Path) -> None:
    """Each digest covers the row before: a whole row, digest and all, fits nowhere else."""
    second = list(EVENTS.values())[1]
    with Journal(tmp_path / "other.sqlite") as journal:
        journal.append(replace(STARTED, seed=2))
        journal.append(second)
    _change(path, "DELETE FROM events WHERE seq > 2")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("ATTACH ? AS other", [str(tmp_path / "other.sqlite")])
        db.execute("DELETE FROM main.events WHERE seq = 2")
        db.execute("INSERT INTO main.events SELECT * FROM other.events WHERE seq = 2")
    with Journal(path) as journal, pytest.raises(JournalError, match="damaged at event 2"):
        journal.read()


@pytest.mark.parametrize("word", ["blocked", "full", "readonly"])
def test_a_row_that_is_no_text_is_damage_whatever_it_says(path: Path, word: str) -> None:
    broken = "UPDATE events SET payload = CAST(X'FF' || CAST(? AS BLOB) AS TEXT) WHERE seq = 2"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(broken, [f'{{"label": "{word}"}}'])
    with Journal(path) as journal, pytest.raises(JournalError, match="UTF-8") as caught:
        journal.read()
    assert word not in caught.value.message


def test_torn_pages_are_noticed(path: Path) -> None:
    _change(path, "PRAGMA journal_mode=DELETE")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))
    with pytest.raises(JournalError), Journal(path) as journal:
        journal.read()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("this is not a database, it is a text " * 50)
    with pytest.raises(JournalError):
        Journal(tmp_path / "journal.sqlite")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    _change(tmp_path / "journal.sqlite", "CREATE TABLE other (x)")
    with pytest.raises(JournalError, match="not a loopd journal"):
        Journal(tmp_path / "journal.sqlite")


def test_a_newer_format_is_refused(path: Path) -> None:
    _change(path, "PRAGMA user_version=99")
    with pytest.raises(JournalError, match="newer loopd") as caught:
        Journal(path)
    assert "upgrade" in caught.value.hint


def _append_many(journal: Journal) -> None:
    for _ in range(2000):
        journal.append(EVENTS[next(iter(EVENTS))])


def test_a_full_disk_keeps_what_was_written(path: Path) -> None:
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path) as journal:
        known = journal.read()
        # No file of this process may grow: what a full disk feels like.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            with pytest.raises(StorageError, match="cannot write the journal"):
                _append_many(journal)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with Journal(path) as journal:
        after = journal.read()
    assert after[: len(known)] == known


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_a_link_to_a_journal_shows_what_its_target_holds(tmp_path: Path) -> None:
    """SQLite keeps its other files beside the target, not beside the link."""
    target = tmp_path / "there" / "journal.sqlite"
    link = tmp_path / "journal.sqlite"
    with Journal(target) as writer:
        writer.append(next(iter(EVENTS.values())))
        link.symlink_to(target)
        with Journal(link, read_only=True) as reader:
            assert reader.read() == [next(iter(EVENTS.values()))]


def test_tables_of_a_tool_that_replicates_are_none_of_a_newer_loopd(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.append(next(iter(EVENTS.values())))
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    with Journal(path, read_only=True) as journal:
        assert journal.read() == [next(iter(EVENTS.values()))]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a daemon that was killed: the newest events are beside the journal."""
    folder, kept = tmp_path / "run", tmp_path / "kept"
    with Journal(folder / "journal.sqlite") as journal:
        for event in EVENTS.values():
            journal.append(event)
        shutil.copytree(folder, kept)
    assert (kept / "journal.sqlite-wal").stat().st_size
    return kept


@pytest.mark.parametrize("left", ["", "empty"])
def test_a_journal_that_was_moved_away_leaves_nothing_to_begin_with(
    killed: Path, left: str
) -> None:
    path, wal = killed / "journal.sqlite", killed / "journal.sqlite-wal"
    moved, before = killed / "moved", wal.read_bytes()
    path.rename(moved)
    if left:
        path.touch()
    for opens in (Journal, events_at):
        with pytest.raises(JournalError, match=r"journal.sqlite-wal beside it holds") as caught:
            opens(path)
        assert "journal.sqlite-wal" in (caught.value.hint or "")
    assert wal.read_bytes() == before
    moved.rename(path)
    with Journal(path) as journal:
        assert journal.read() == list(EVENTS.values())


@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_looking_at_two_of_three_files_makes_no_third(killed: Path, mode: int) -> None:
    """As a backup holds them, or a disk after a loss of power."""
    (killed / "journal.sqlite-shm").unlink()
    before = {file.name: file.read_bytes() for file in killed.iterdir()}
    killed.chmod(mode)
    try:
        with Journal(killed / "journal.sqlite", read_only=True) as journal:
            assert journal.read() == list(EVENTS.values())
        assert {file.name: file.read_bytes() for file in killed.iterdir()} == before
    finally:
        killed.chmod(0o755)


def test_a_daemon_that_comes_and_goes_while_two_files_are_copied_is_noticed(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = killed / "journal.sqlite"
    (killed / "journal.sqlite-shm").unlink()
    copied = module._copied
    came: list[int] = []

    def meanwhile(*parts: Any) -> Any:
        if not came:
            came.append(1)
            with Journal(path) as daemon:
                daemon.read()
                daemon.append(EVENTS[next(iter(EVENTS))])
        return copied(*parts)

    monkeypatch.setattr(module, "_copied", meanwhile)
    with Journal(path, read_only=True) as reader:
        assert len(reader.read()) == len(EVENTS) + 1


def test_a_journal_that_is_refused_is_let_go(path: Path) -> None:
    """Else whoever writes in the same process is told that the database may only be read."""
    with Journal(path) as writer:
        writer.read()
        writer._db.execute("PRAGMA user_version=99")
        with pytest.raises(NewerError):
            Journal(path, read_only=True)
        writer._db.execute("PRAGMA user_version=1")
    before = set(Path("/proc/self/fd").iterdir())
    _change(path, "PRAGMA user_version=99")
    for read_only in (True, False):
        with pytest.raises(NewerError):
            Journal(path, read_only=read_only)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_version_that_nobody_will_write_is_damage(path: Path) -> None:
    _change(path, f"PRAGMA user_version={1 | 1 << 20}")
    with pytest.raises(JournalError, match="damaged") as caught:
        Journal(path)
    assert not isinstance(caught.value, NewerError)


@pytest.mark.parametrize("stage", ["empty", "wal", "header"])
def test_a_journal_that_a_daemon_is_just_making_is_no_run_yet(stage: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.touch()
    with ExitStack() as stack:
        if stage == "wal":
            db = stack.enter_context(closing(sqlite3.connect(path)))
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE events (seq)")
        elif stage == "header":
            _change(path, "PRAGMA journal_mode=WAL")
        with pytest.raises(RunError, match="no run in"):
            recorded_run(tmp_path)


def test_a_journal_that_comes_into_being_during_the_look_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journal.sqlite").touch()
    usual = module.is_blank

    def then(path: Path) -> bool:
        Journal(path).close()
        return usual(path)

    monkeypatch.setattr(recorded, "is_blank", then)
    assert recorded_run(tmp_path).events == ()


def test_another_programs_database_is_no_run_that_only_begins(tmp_path: Path) -> None:
    _change(tmp_path / "journal.sqlite", "CREATE TABLE other (x)")
    with pytest.raises(JournalError, match="not a loopd journal"):
        recorded_run(tmp_path)


def test_another_process_that_does_not_let_go_is_named_and_nothing_is_lost(path: Path) -> None:
    with Journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        before = journal.read()
        journal._db.execute("PRAGMA busy_timeout=1")  # else ten seconds
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=f"{path} is locked") as caught:
            journal.append(STARTED)
        assert caught.value.hint == "close what has it open"
        other.execute("ROLLBACK")
        journal.append(STARTED)
    with Journal(path, read_only=True) as journal:
        assert journal.read() == [*before, STARTED]


@pytest.mark.parametrize("read_only", [True, False])
def test_damage_beside_the_rows_is_noticed(path: Path, read_only: bool) -> None:
    """The database counts a free page that it does not have; each row is sound."""
    _change(path, "PRAGMA journal_mode=DELETE")
    with path.open("r+b") as file:
        file.seek(36)
        file.write((1).to_bytes(4, "big"))
    with pytest.raises(JournalError, match=f"{path} is damaged") as caught:
        Journal(path, read_only=read_only)
    assert "loopd recover" in (caught.value.hint or "")


def test_a_journal_at_rest_that_a_daemon_writes_anew_is_read_as_it_is_by_then(
    tmp_path: Path,
) -> None:
    """It was opened as a file that nobody changes, and is larger than what SQLite remembers."""
    path = tmp_path / "journal.sqlite"
    long = [replace(STARTED, dataset_id=f"{number}" * 200_000) for number in range(20)]
    with Journal(path) as journal:
        for event in long:
            journal.append(event)
    after = [replace(event, seed=event.seed + 1) for event in long[1:]]
    with Journal(path, read_only=True) as reader, Journal(path) as daemon:
        daemon.read()
        daemon.rewrite(after)
        assert reader.read() == after
        daemon.append(STARTED)
        assert reader.read()[-1] == STARTED
