"""Failures, each against a real Argilla and a real daemon process: waited out, or ended clearly."""

from __future__ import annotations

import resource
import signal
import sqlite3
import uuid
from pathlib import Path

import httpx
import pytest

from loopd.annotation.consensus import targets
from loopd.machine import Phase, State
from loopd.records import PoolId
from tests.acceptance.conftest import MakeDaemon, slowly
from tests.daemon import Condition, Daemon, write_csv
from tests.faults.proxy import FaultProxy
from tests.integration.conftest import Api
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.people import ArgillaPeople

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]


def collecting(state: State) -> bool:
    return state.phase is Phase.COLLECT


def rounds(number: int) -> Condition:
    return lambda state: len(state.published) >= number


def answer_all(daemon: Daemon, people: ArgillaPeople) -> None:
    gold = {record.id: record.gold for record in make_pool(60)}
    for record_id in people.open_records("ann"):
        people.submit(record_id, "ann", gold[PoolId(record_id)])


def fails(daemon: Daemon, code: int, *words: str) -> None:
    """The daemon ends with this code and one line that has these words; no traceback."""
    daemon.start()
    assert daemon.ended() == code, daemon.log
    for word in words:
        assert word in daemon.log
    assert "Traceback" not in daemon.log
    assert daemon.log.count("error:") == 1
    assert daemon.api_key not in daemon.log


def without_run(argilla: LiveArgilla) -> str:
    """A dataset of people in which no run has worked."""
    api, name = Api(argilla), f"theirs-{uuid.uuid4().hex[:8]}"
    api.dataset(name=name)
    api.close()
    return name


@pytest.mark.parametrize(
    "mode", ["error", slowly("cut"), slowly("hole"), slowly("garbage"), slowly("truncate")]
)
def test_an_argilla_that_fails_is_waited_out(
    argilla: LiveArgilla, make_daemon: MakeDaemon, mode: str
) -> None:
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        daemon = make_daemon(argilla, url=proxy.url, argilla={"timeout": 1, "max_backoff": 0.3})
        daemon.start()
        daemon.wait(collecting)
        people = argilla.people(daemon.dataset)
        proxy.mode = mode
        daemon.wait_log("waiting_for_argilla")
        answer_all(daemon, people)
        proxy.mode = "pass"
        daemon.wait(rounds(2))
        daemon.wait_log("argilla_is_back")
        people.close()
        assert len(targets(daemon.state)) == 6


@pytest.mark.slow
def test_a_slow_argilla_is_only_slow(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        proxy.mode = "slow"
        daemon = make_daemon(argilla, url=proxy.url)
        daemon.start()
        daemon.wait(collecting)
        people = argilla.people(daemon.dataset)
        answer_all(daemon, people)
        people.close()
        daemon.wait(rounds(2))
        assert "waiting_for_argilla" not in daemon.log


def test_an_argilla_that_is_not_there_yet_is_waited_for(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        proxy.mode = "cut"
        daemon = make_daemon(argilla, url=proxy.url)
        daemon.start()
        daemon.wait_log("waiting_for_argilla")
        proxy.mode = "pass"
        daemon.wait(collecting)


def test_giving_up_when_the_configuration_says_so(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        proxy.mode = "cut"
        daemon = make_daemon(argilla, url=proxy.url, argilla={"give_up_after": 1})
        fails(daemon, 24, "unreachable")


def test_an_argilla_that_dies_and_comes_back(tmp_path: Path, make_daemon: MakeDaemon) -> None:
    live = LiveArgilla.start(tmp_path / "home")
    try:
        daemon = make_daemon(live)
        daemon.start()
        daemon.wait(collecting)
        live.server.kill()
        daemon.wait_log("waiting_for_argilla")
        live.server.restart()
        people = live.people(daemon.dataset)
        answer_all(daemon, people)
        people.close()
        daemon.wait(rounds(2))
    finally:
        live.server.stop()


def test_a_wrong_key(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.api_key = "wrong-key"
    fails(daemon, 20, "refuses the API key", "hint:")


def test_a_key_that_expires_while_people_label(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    headers = {"X-Argilla-Api-Key": argilla.owner_key}
    with httpx.Client(base_url=f"{argilla.url}/api/v1/", headers=headers) as owner:
        body = {
            "username": "temporary",
            "first_name": "temporary",
            "role": "admin",
            "password": "a-long-password-0",
        }
        user = owner.post("users", json=body).json()
        spaces = owner.get("me/workspaces").json()["items"]
        space = next(each for each in spaces if each["name"] == argilla.workspace)
        owner.post(f"workspaces/{space['id']}/users", json={"user_id": user["id"]})
        daemon = make_daemon(argilla)
        daemon.api_key = user["api_key"]
        daemon.start()
        daemon.wait(collecting)
        owner.delete(f"users/{user['id']}")
    assert daemon.ended() == 20
    # Argilla takes a user's memberships away a moment before the user.
    assert "refuses the API key" in daemon.log or "gave HTTP 403" in daemon.log
    before = daemon.state
    daemon.api_key = argilla.owner_key
    daemon.start()
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    after = daemon.wait(rounds(2))
    assert after.batches[0] == before.batches[0]


def test_an_annotators_key_is_not_enough(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.api_key = argilla.keys["ann"]
    fails(daemon, 20, "may not do this")


def test_a_deleted_dataset(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    daemon.wait(rounds(2))
    people.drop()
    people.close()
    assert daemon.ended() == 21
    assert "is gone" in daemon.log
    assert len(targets(daemon.state)) == 6
    fails_again = daemon.loopd("run")
    assert fails_again.returncode == 21


def test_a_dataset_of_another_run(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    first = make_daemon(argilla)
    first.start()
    first.wait(collecting)
    second = make_daemon(argilla, argilla={"dataset": first.dataset})
    fails(second, 21, "another run")


@pytest.mark.slow
def test_a_dataset_that_does_not_fit(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    dataset = without_run(argilla)
    task = {"labels": ["fruit", "tool", "animal"]}
    daemon = make_daemon(argilla, argilla={"dataset": dataset}, task=task)
    fails(daemon, 21, "lacks the labels ['animal']")


def test_an_unknown_workspace(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    fails(make_daemon(argilla, argilla={"workspace": "elsewhere"}), 21, "no workspace `elsewhere`")


def test_a_full_disk(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    process = daemon.start()
    state = daemon.wait(collecting)
    size = max(path.stat().st_size for path in daemon.run_dir.glob("journal.sqlite*"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 16
    assert "cannot write" in daemon.log
    assert daemon.state.batches == state.batches
    daemon.start()
    assert len(targets(daemon.wait(rounds(2)))) == 6


def test_a_corrupt_journal(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    _change(daemon, "UPDATE events SET payload = '{}' WHERE seq = 2")
    fails(daemon, 15, "damaged")


@pytest.mark.slow
def test_a_newer_journal(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    _change(daemon, "PRAGMA user_version=7")
    fails(daemon, 17, "newer loopd")


def test_a_second_daemon(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    first = daemon.start()
    daemon.wait(collecting)
    second = daemon.loopd("run")
    assert second.returncode == 14
    assert f"process {first.pid}" in second.stderr
    assert first.poll() is None


@pytest.mark.parametrize("number", [slowly(signal.SIGINT), signal.SIGTERM])
def test_a_signal_while_people_label(
    argilla: LiveArgilla, make_daemon: MakeDaemon, number: signal.Signals
) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    before = daemon.wait(collecting)
    daemon.signal(number)
    assert daemon.ended(5) == 0
    assert "Traceback" not in daemon.log
    assert daemon.state == before
    daemon.start()
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    daemon.wait(rounds(2))


@pytest.mark.slow
def test_another_dataset_in_the_middle_of_a_run(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    daemon.settings["argilla"]["dataset"] = without_run(argilla)
    daemon.save()
    fails(daemon, 13, "not the one that this run began with")


def test_another_pool(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    write_csv(daemon.folder / "pool.csv", 60, "z")
    fails(daemon, 13, "the pool changed")


def _change(daemon: Daemon, statement: str) -> None:
    db = sqlite3.connect(daemon.run_dir / "journal.sqlite")
    db.execute(statement)
    db.commit()
    db.close()
