"""What a newer loopd wrote: an exit code of its own, and nothing of the run is touched.

The newer version adds an event, a field, a value, a column, a table or a file's format. What is
damaged is told apart from it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import strategies as st

from loopd.cli import main
from loopd.config import Config
from loopd.config_file import load_config
from loopd.errors import JournalError, LoopdError, NewerError, StorageError
from loopd.events import RunStarted, RunStopped
from loopd.loop.data_sets import read_data
from loopd.records import PoolId, Record
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.codec import decode, encode
from loopd.storage.journal import Journal, events_at
from loopd.storage.names import SavedNames
from loopd.storage.newer import refuse_newer
from tests.daemon import write_csv
from tests.fuzz.properties import HOW_OFTEN, holds
from tests.journals import journals
from tests.loop.conftest import LABELS
from tests.unit.test_machine import EVENTS, STARTED
from tests.upgrade.rows import Row, snapshot, write_rows

# -- the journal, whatever it holds ----------------------------------------------------------------


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Those parts of an event that are dataclasses: every object with a field of one."""
    if isinstance(value, dict):
        if value.keys() & {"at", "items", "record_id", "score"}:
            yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


ODD_VALUES = st.sampled_from((None, True, 7, -1.5, "", "text", [], [1], {}, {"a": None}))


@st.composite
def newer(draw: st.DrawFn) -> list[Row]:
    """A journal of real events, one of which has something new."""
    rows = [encode(event) for event in draw(journals())]
    place = draw(st.integers(0, len(rows) - 1))
    name, payload = rows[place]
    fields = json.loads(payload)
    change = draw(st.sampled_from(("event", "field", "kind of value", "status")))
    if change == "event":
        name = draw(st.text(min_size=1, max_size=20).filter(lambda text: text not in _EVENT_NAMES))
    elif change == "status" and fields.get("answers"):
        fields["answers"][-1]["status"] = "postponed"
    elif change == "kind of value":
        fields["at"] = {"seconds": 1}
    else:
        part = draw(st.sampled_from(list(_objects(fields))))
        part[draw(st.text(max_size=8).map("new_{}".format))] = draw(ODD_VALUES)
    rows[place] = (name, json.dumps(fields))
    return rows


_EVENT_NAMES = {kind.__name__ for kind in EVENTS}


@HOW_OFTEN
def test_what_is_new_in_a_journal_is_no_damage(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal.sqlite"

    def check(rows: list[Row]) -> None:
        path.unlink(missing_ok=True)
        write_rows(path, rows)
        before = snapshot(tmp_path)
        for look in (events_at, refuse_newer):
            with pytest.raises(NewerError, match="a newer loopd wrote") as caught:
                look(path)
            assert caught.value.exit_code == 17
            assert "\n" not in caught.value.message
            assert "upgrade" in caught.value.hint
        assert snapshot(tmp_path) == before

    holds(examples, newer(), check)


@HOW_OFTEN
def test_what_is_damaged_is_not_newer(examples: int, tmp_path: Path) -> None:
    """Any byte of a row is another, or the end of the row is missing."""
    path = tmp_path / "run" / "journal.sqlite"
    damage = st.tuples(newer() | journals().map(_rows), st.integers(0, 500), st.integers(1, 255))

    def check(drawn: tuple[list[Row], int, int]) -> None:
        rows, place, change = drawn
        path.unlink(missing_ok=True)
        write_rows(path, rows)
        with closing(sqlite3.connect(path)) as db, db:
            (payload,) = db.execute("SELECT payload FROM events WHERE seq = 1").fetchone()
            content = bytearray(payload.encode())
            if change % 2:
                content = content[: place % len(content)]
            else:
                content[place % len(content)] ^= change
            broken = "UPDATE events SET payload = CAST(? AS TEXT) WHERE seq = 1"
            db.execute(broken, [bytes(content)])
        with pytest.raises(JournalError, match=r"damaged|no UTF-8") as caught:
            events_at(path)
        assert caught.value.exit_code == 15
        assert refuse_newer(path) is None

    holds(examples, damage, check)


def _rows(events: list[Any]) -> list[Row]:
    return [encode(event) for event in events]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
def test_no_event_loses_a_field_that_is_new(event: Any) -> None:
    name, payload = encode(event)
    fields = json.loads(payload)
    for part in _objects(fields):
        part["later"] = 1
        with pytest.raises(NewerError, match=f"{name}, unknown field 'later'"):
            decode(name, json.dumps(fields))
        del part["later"]
    assert decode(name, json.dumps(fields)) == event


@pytest.mark.parametrize("payload", ["", "{", "[]", "7", "{}", '{"at": 1.0}'])
def test_what_lacks_something_is_damaged(payload: str) -> None:
    with pytest.raises(JournalError, match="damaged") as caught:
        decode("RunStopped", payload)
    assert not isinstance(caught.value, NewerError)


def test_an_order_of_events_that_is_new(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    write_rows(path, [encode(STARTED)] * 2)
    with pytest.raises(NewerError, match="RunStarted is not allowed in phase seed"):
        refuse_newer(path)


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version=2",
        "ALTER TABLE events ADD COLUMN writer TEXT",
        "CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, state TEXT)",
    ],
)
def test_a_database_that_is_new(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "journal.sqlite"
    write_rows(path, [encode(STARTED)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)
    before = snapshot(tmp_path)
    with pytest.raises(NewerError, match="newer loopd"):
        refuse_newer(path)
    assert snapshot(tmp_path) == before


# -- other files of the run ------------------------------------------------------------------------


def _first_line(text: str, **more: Any) -> str:
    head, *lines = text.split("\n")
    return "\n".join((json.dumps({**json.loads(head), **more}), *lines))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: _first_line(text, version=2),
        lambda text: _first_line(text, languages=["en"]),
        lambda text: text.replace('"text"', '"language": "en", "text"'),
    ],
)
def test_an_intake_that_is_new(tmp_path: Path, change: Callable[[str], str]) -> None:
    Intakes(tmp_path).begin([Record(PoolId("a"), "one"), Record(PoolId("b"), "two")], 0.0)
    path = tmp_path / "pool" / "000000.jsonl"
    path.write_text(change(path.read_text()))
    with pytest.raises(NewerError, match="newer loopd"):
        Intakes(tmp_path).read()
    path.write_text(path.read_text()[:-4])
    with pytest.raises((StorageError, NewerError)):
        Intakes(tmp_path).read()


def test_names_that_are_new(tmp_path: Path) -> None:
    names = SavedNames(tmp_path)
    path = tmp_path / "people.json"
    path.write_text('{"u1": {"name": "Ann", "left": true}}')
    with pytest.raises(NewerError, match="newer loopd"):
        names.read()
    for damaged in ('{"u1": "An', "", "[1]"):
        path.write_text(damaged)
        assert names.read() == {}


# -- every command ---------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Of a run that has begun and ended; nobody is asked at its Argilla."""
    monkeypatch.setenv("ARGILLA_API_KEY", "a-key")
    write_csv(tmp_path / "pool.csv", 20, "r")
    settings = {
        "run": {"dir": "run", "seed": 1},
        "argilla": {"url": "http://127.0.0.1:9", "timeout": 1},
        "task": {"labels": list(LABELS)},
        "pool": {"path": "pool.csv", "id": "id"},
        "classifier": {"name": "tfidf"},
        "dashboard": {"enabled": False},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings))
    return load_config(tmp_path / "c.yaml")


def _begun(config: Config) -> list[Row]:
    fingerprint = read_data(config).pool.fingerprint
    started = RunStarted(1.0, config.digest(), 1, LABELS, fingerprint, "", "d", {})
    return [encode(started), encode(RunStopped(2.0, "end"))]


def _added(rows: list[Row], **more: Any) -> list[Row]:
    name, payload = rows[-1]
    return [*rows[:-1], (name, json.dumps({**json.loads(payload), **more}))]


def _field(config: Config) -> None:
    write_rows(config.run.dir / "journal.sqlite", _added(_begun(config), by="a person"))


def _event(config: Config) -> None:
    write_rows(config.run.dir / "journal.sqlite", [*_begun(config), ("RunPaused", "{}")])


def _format(config: Config) -> None:
    write_rows(config.run.dir / "journal.sqlite", _begun(config))
    with closing(sqlite3.connect(config.run.dir / "journal.sqlite")) as db:
        db.execute("PRAGMA user_version=2")


PAUSE = """
import os, signal, sqlite3, sys
from loopd.storage.journal import _digest
db = sqlite3.connect(sys.argv[1], isolation_level=None)
(before,) = db.execute("SELECT digest FROM events WHERE seq = 2").fetchone()
row = (3, "RunPaused", "{}", _digest(before, 3, "RunPaused", "{}"))
db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(config: Config) -> None:
    """Its daemon was killed: what is new is not in the database yet, but in SQLite's own log."""
    write_rows(config.run.dir / "journal.sqlite", _begun(config))
    Journal(config.run.dir / "journal.sqlite").close()  # from here on with such a log
    ended = subprocess.run(
        [sys.executable, "-c", PAUSE, config.run.dir / "journal.sqlite"],
        check=False,
        env=dict(os.environ),
    )
    assert ended.returncode == -signal.SIGKILL
    assert (config.run.dir / "journal.sqlite-wal").stat().st_size


PLANTS = (_field, _event, _format, _killed)

COMMANDS = (
    ("run",),
    ("check",),
    ("status",),
    ("status", "--json"),
    ("report",),
    ("export", "--no-model"),
    ("recover",),
    ("recover", "--dry-run"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "plant", [_field, _event, _format, _killed], ids=lambda each: each.__name__
)
def test_every_command_leaves_a_newer_run_alone(
    plant: Callable[[Config], None], command: tuple[str, ...], config: Config, tmp_path: Path
) -> None:
    plant(config)
    for name in ("people.json", "metrics.jsonl", "daemon.lock", "heartbeat", "run.id"):
        (config.run.dir / name).write_text("{}")
    before = snapshot(tmp_path)
    result = CliRunner().invoke(main, [command[0], str(tmp_path / "c.yaml"), *command[1:]])
    assert result.exit_code == NewerError.exit_code == 17, result.output
    assert result.output.count("newer loopd wrote") == 1
    assert "hint: upgrade loopd" in result.output
    assert "`loopd recover`" not in result.output
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("command", [("run",), ("check",), ("recover",)], ids=" ".join)
@pytest.mark.parametrize("name", ["people.json", "pool/000000.jsonl"])
def test_what_nothing_can_write_again_is_left_alone(
    name: str, command: tuple[str, ...], config: Config, tmp_path: Path
) -> None:
    path = config.run.dir / name
    path.parent.mkdir(parents=True)
    path.write_text('{"version": 2, "records": 1, "u1": {}}\n')
    before = snapshot(tmp_path)
    result = CliRunner().invoke(main, [command[0], str(tmp_path / "c.yaml"), *command[1:]])
    assert result.exit_code == NewerError.exit_code, result.output
    assert snapshot(tmp_path) == before


def test_a_journal_at_rest_is_read_without_a_trace(config: Config, tmp_path: Path) -> None:
    """Also one whose daemon was killed; whoever goes on with it sees all of it."""
    path = config.run.dir / "journal.sqlite"
    write_rows(path, _begun(config))
    before = snapshot(tmp_path)
    assert len(events_at(path)) == 2
    assert snapshot(tmp_path) == before
    glance = refuse_newer(path)
    assert glance is not None
    with Journal(path) as journal:
        assert journal.follow(glance.last)
        journal.append(RunStopped(3.0, "again"))
        assert not journal.follow(glance.last)
    assert [event.at for event in events_at(path)] == [1.0, 2.0, 3.0]


def test_it_is_one_of_loopds_errors() -> None:
    codes = [kind.exit_code for kind in LoopdError.__subclasses__()]
    assert NewerError.exit_code not in codes
