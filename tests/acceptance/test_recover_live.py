"""`loopd recover` live: a real daemon is killed, its run directory is lost, and the run goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import targets
from loopd.config_file import load_config
from loopd.errors import LockedError, NewerError, RunError, TransientError
from loopd.events import Event, RunRecovered, RunStarted
from loopd.loop.tools import build_store
from loopd.machine import Phase, State
from loopd.operations.recover import run_recovery
from loopd.records import AnswerStatus, Batch, BatchItem, PoolId
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting
from tests.daemon import Condition, Daemon
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.people import ArgillaPeople

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

STARTED = RunStarted(1.0, "c", 1, ("fruit", "tool"), "p", "t", "d", {})
FIRST = Batch(
    "b0000",
    0,
    "cold",
    None,
    tuple(BatchItem(PoolId(f"r00{number}")) for number in (4, 2, 0, 1, 3, 5)),
)
GOLD = {record.id: record.gold for record in make_pool(60)}


def submitted(people: ArgillaPeople) -> set[tuple[str, str]]:
    """Record and person of every submitted answer in Argilla."""
    return {
        (record["external_id"], response["user_id"])
        for record in people.records()
        for response in record["responses"]
        if response["status"] == "submitted"
    }


def in_journal(state: State) -> set[tuple[str, str]]:
    wanted = AnswerStatus.SUBMITTED
    return {key for key, answer in state.answers.items() if answer.status is wanted}


def killed_in_the_second_round(daemon: Daemon, people: ArgillaPeople) -> State:
    """Some of the second batch is answered, and an answer came that the daemon has not seen."""
    daemon.start()
    daemon.wait(collecting)
    answer_all(daemon, people)
    open_ids = daemon.wait(lambda state: collecting(state) and state.round == 1).batch.record_ids
    for id_ in open_ids[:2]:
        people.submit(id_, "bob", GOLD[id_])
    people.discard(open_ids[2], "bob")
    state = daemon.wait(lambda state: len(state.answers) == 9)
    daemon.kill()
    people.submit(open_ids[3], "bob", GOLD[open_ids[3]])
    return state


@pytest.mark.slow
def test_a_run_whose_directory_is_lost_goes_on(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    people = argilla.people(daemon.dataset)
    before = killed_in_the_second_round(daemon, people)
    shutil.rmtree(daemon.run_dir)
    done = daemon.loopd("recover")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "recovered 2 batches with 12 records, and 10 answers of 2 people: 9 labels"
    )
    state = daemon.state
    assert state.batches == before.batches
    assert targets(before).items() <= targets(state).items()
    assert in_journal(state) == submitted(people)
    goes_on_to_its_end(daemon, people, before)
    people.close()


def collecting_round(number: int) -> Condition:
    return lambda state: collecting(state) and state.round == number


def goes_on_to_its_end(daemon: Daemon, people: ArgillaPeople, before: State) -> None:
    daemon.start()
    for number in (1, 2):
        daemon.wait(collecting_round(number))
        for id_ in people.open_records("ann"):
            people.submit(id_, "ann", GOLD[PoolId(id_)])
    assert daemon.ended() == 0, daemon.log
    state = daemon.state
    assert state.stopped is not None
    assert (state.stopped.reason, len(state.batches)) == ("max_rounds", 3)
    ids = Counter(id_ for batch in state.batches for id_ in batch.external_ids)
    assert set(ids.values()) == {1}
    assert set(ids) == {record["external_id"] for record in people.records()}
    where = {record["external_id"]: record["metadata"]["batch_id"] for record in people.records()}
    assert where == {id_: batch.id for batch in state.batches for id_ in batch.external_ids}
    assert targets(before).items() <= targets(state).items()
    assert in_journal(state) == submitted(people)
    assert [row["round"] for row in daemon.rows] == [1, 2]
    assert (daemon.run_dir / "learning_curve.png").exists()


@pytest.fixture
def lost(
    argilla: LiveArgilla, make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    """A daemon that never ran; its first batch is in Argilla all the same."""
    daemon = make_daemon(argilla)
    monkeypatch.setenv("ARGILLA_API_KEY", daemon.api_key)
    pool = make_pool(60)
    store = build_store(load_config(daemon.config))
    store.open(pool, fresh=True)
    store.publish(FIRST, {id_: pool[id_].text for id_ in FIRST.record_ids})
    yield daemon
    store.close()


def recover(daemon: Daemon, **options: Any) -> list[str]:
    said: list[str] = []
    run_recovery(load_config(daemon.config), said.append, **options)
    return said


def write_journal(path: Path, *events: Event) -> None:
    with Journal(path) as journal:
        for event in events:
            journal.append(event)


def change(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


def test_a_damaged_journal_is_replaced_and_kept(lost: Daemon) -> None:
    journal = lost.run_dir / "journal.sqlite"
    write_journal(journal, STARTED, STARTED)
    change(journal, "UPDATE events SET payload = '{}' WHERE seq = 2")
    (lost.run_dir / "metrics.jsonl").write_text("old rounds\n")
    damaged = journal.read_bytes()
    looked = recover(lost, dry_run=True)
    assert looked[0].startswith("would recover 1 batch with 6 records, and 0 answers of 0 people")
    assert journal.read_bytes() == damaged
    assert not list(lost.run_dir.glob("*-before-*"))
    said = recover(lost)
    (kept,) = lost.run_dir.glob("journal-before-*.sqlite")
    assert kept.read_bytes() == damaged
    (rows,) = lost.run_dir.glob("metrics-before-*.jsonl")
    assert rows.read_text() == "old rounds\n"
    assert any(str(kept) in line for line in said)
    assert (lost.state.batches, lost.state.phase) == ((FIRST,), Phase.COLLECT)
    with Journal(journal, read_only=True) as written:
        assert [type(event) for event in written.read()] == [RunStarted, RunRecovered]


def test_a_journal_without_events_is_none(lost: Daemon) -> None:
    """It is what `loopd run` leaves that refuses a dataset with batches."""
    write_journal(lost.run_dir / "journal.sqlite")
    done = lost.loopd("recover")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("recovered 1 batch with 6 records")
    assert "run_recovered" in done.stderr
    assert lost.state.batches == (FIRST,)


def test_a_journal_that_can_be_read_stays(lost: Daemon) -> None:
    journal = lost.run_dir / "journal.sqlite"
    write_journal(journal, STARTED)
    before = journal.read_bytes()
    with pytest.raises(RunError, match="journal that can be read"):
        recover(lost)
    change(journal, "PRAGMA user_version=7")
    with pytest.raises(NewerError, match="newer loopd"):
        recover(lost)
    change(journal, "PRAGMA user_version=1")
    assert journal.read_bytes()[100:] == before[100:]  # behind SQLite's own header
    journal.unlink()
    with run_lock(lost.run_dir), pytest.raises(LockedError):
        recover(lost)


def test_an_argilla_that_is_down(lost: Daemon) -> None:
    lost.settings["argilla"]["url"] = "http://127.0.0.1:9"
    lost.save()
    with pytest.raises(TransientError, match="unreachable"):
        recover(lost)
    assert not (lost.run_dir / "journal.sqlite").exists()
