"""`loopd recover` live: a real daemon is killed, its run directory is lost, and the run goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from loopd.annotation.consensus import targets
from loopd.config_file import load_config
from loopd.errors import LockedError, RunError, TransientError
from loopd.loop.recover import run_recovery
from loopd.machine import Phase, RunRecovered, State, fold
from loopd.records import AnswerStatus
from loopd.state.codec import NewerError
from loopd.state.journal import Journal
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.people import ArgillaPeople

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

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


def test_a_run_whose_directory_is_lost_goes_on(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    people = argilla.people(daemon.dataset)
    before = killed_in_the_second_round(daemon, people)
    shutil.rmtree(daemon.run_dir)
    refused = daemon.loopd("run")
    assert (refused.returncode, "loopd recover" in refused.stderr) == (21, True)
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


def goes_on_to_its_end(daemon: Daemon, people: ArgillaPeople, before: State) -> None:
    daemon.start()
    for round_ in (1, 2):
        daemon.wait(lambda state, wanted=round_: collecting(state) and state.round == wanted)
        for id_ in people.open_records("ann"):
            people.submit(id_, "ann", GOLD[id_])
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


def test_only_a_damaged_journal_is_replaced_and_kept(
    argilla: LiveArgilla, make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    before = daemon.wait(collecting)
    monkeypatch.setenv("ARGILLA_API_KEY", daemon.api_key)
    config = load_config(daemon.config)
    said: list[str] = []
    with pytest.raises(LockedError):
        run_recovery(config, said.append)
    daemon.kill()
    with pytest.raises(RunError, match="journal that can be read"):
        run_recovery(config, said.append)
    journal = daemon.run_dir / "journal.sqlite"
    db = sqlite3.connect(journal)
    db.execute("UPDATE events SET payload = '{}' WHERE seq = 2")
    db.commit()
    db.close()
    (daemon.run_dir / "metrics.jsonl").write_text("old rounds\n")
    damaged = journal.read_bytes()
    before_it = sorted(daemon.run_dir.iterdir())
    run_recovery(config, said.append, dry_run=True)
    assert said[0].startswith("would recover 1 batch with 6 records, and 0 answers of 0 people")
    assert sorted(daemon.run_dir.iterdir()) == before_it
    unreachable = config.argilla.model_copy(update={"url": "http://127.0.0.1:9"})
    with pytest.raises(TransientError, match="unreachable"):
        run_recovery(config.model_copy(update={"argilla": unreachable}), said.append)
    assert journal.read_bytes() == damaged
    run_recovery(config, said.append)
    (kept,) = daemon.run_dir.glob("journal-before-*.sqlite")
    assert kept.read_bytes() == damaged
    (rows,) = daemon.run_dir.glob("metrics-before-*.jsonl")
    assert rows.read_text() == "old rounds\n"
    assert any(str(kept) in line for line in said)
    assert daemon.state.batches == before.batches
    assert daemon.state.phase is Phase.COLLECT
    with Journal(journal, read_only=True) as written:
        events = written.read()
    assert any(isinstance(event, RunRecovered) for event in events)
    assert fold(events) == daemon.state


def test_a_newer_journal_is_no_damaged_one(
    argilla: LiveArgilla, make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon(argilla)
    monkeypatch.setenv("ARGILLA_API_KEY", daemon.api_key)
    path = make_newer(daemon.run_dir / "journal.sqlite")
    before = path.read_bytes()
    with pytest.raises(NewerError, match="newer loopd"):
        run_recovery(load_config(daemon.config), print)
    assert path.read_bytes() == before


def make_newer(path: Path) -> Path:
    with Journal(path):
        pass
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=7")
    db.close()
    return path
