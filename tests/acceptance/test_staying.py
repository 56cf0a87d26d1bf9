"""`loopd run --stay`: a run that is done shows itself, and goes on when a limit is raised."""

from __future__ import annotations

import signal

import httpx
import pytest

from loopd.machine import Phase, State
from loopd.storage.run_folder import PAGE_NAME
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.daemon import Daemon
from tests.live import LiveArgilla

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]


def done(state: State) -> bool:
    return state.phase is Phase.DONE


def page(daemon: Daemon, path: str = "") -> httpx.Response:
    address = (daemon.run_dir / PAGE_NAME).read_text(encoding="utf-8").strip()
    return httpx.get(address + path, trust_env=False, timeout=30)


def raise_limit(daemon: Daemon, limit: int) -> None:
    daemon.settings["stopping"]["max_rounds"] = limit
    daemon.save()


def test_a_finished_run_stays_and_goes_on_when_its_limit_is_raised(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, stopping={"max_rounds": 1}, dashboard={"enabled": True})
    process = daemon.fork("loopd.cli", "run", "--stay")
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    daemon.wait(done)
    daemon.wait_log("staying")
    for path, words in (("", "loopd"), ("healthz", "ok"), ("readyz", "ok"), ("metrics", "loopd_")):
        answer = page(daemon, path)
        assert answer.status_code == 200, answer.text
        assert words in answer.text
    assert '"daemon": null' not in daemon.loopd("status", "--json").stdout

    daemon.config.write_text("stopping: [not, yet", encoding="utf-8")  # somebody is at it
    daemon.wait_log("configuration_refused")
    daemon.settings["log"] = {"level": "debug"}  # shapes nothing
    daemon.save()
    assert process.poll() is None
    raise_limit(daemon, 2)
    daemon.wait(rounds(2))
    daemon.wait(collecting)
    assert daemon.log.count("configuration_refused") == 1
    assert daemon.log.count("configuration_changed") == 1
    people.close()
    assert page(daemon, "healthz").status_code == 200
    process.send_signal(signal.SIGTERM)
    assert daemon.ended() == 0, daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.slow
def test_a_limit_that_was_raised_while_people_worked_counts_at_once(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, stopping={"max_rounds": 1})
    daemon.fork("loopd.cli", "run", "--stay")
    daemon.wait(collecting)
    raise_limit(daemon, 2)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    daemon.wait(rounds(2))


@pytest.mark.slow
def test_what_a_start_refuses_ends_it(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, stopping={"max_rounds": 1})
    daemon.fork("loopd.cli", "run", "--stay")
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    daemon.wait_log("staying")
    daemon.settings["run"]["seed"] = 2
    daemon.save()
    assert daemon.ended() == 13, daemon.log
    assert "the seed changed since this run began" in daemon.log


@pytest.mark.slow
def test_a_run_that_does_not_stay_ends(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, stopping={"max_rounds": 1}, dashboard={"enabled": True})
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0
    assert "staying" not in daemon.log
