"""A daemon that does not get on says why: in its log, in the status and on its page."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from loopd.commands.shared import LOOKS
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import collecting, rounds
from tests.daemon import wait_for
from tests.live import LiveArgilla

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


def test_one_class_only(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, stopping={"max_rounds": 1}, dashboard={"enabled": True})
    daemon.start()
    daemon.wait(collecting)
    assert json.loads(daemon.loopd("status", "--json").stdout)["obstacle"]["kind"] == "unanswered"
    people = argilla.people(daemon.dataset)
    for number in (1, 2):
        for record_id in people.open_records("ann"):
            people.submit(record_id, "ann", "fruit")
        daemon.wait(rounds(number + 1))
    said = [json.loads(line) for line in daemon.log.splitlines() if '"obstacle"' in line]
    assert [line["kind"] for line in said] == ["unanswered", "one_kind"]
    known = json.loads(daemon.loopd("status", "--json").stdout)["obstacle"]
    assert known["kind"] == "one_kind"
    assert "`fruit`" in known["sentence"]
    address = (daemon.run_dir / "dashboard.url").read_text().strip()
    page = wait_for(lambda: httpx.get(f"{address}api/overview").json(), 30)
    assert known["sentence"] in page["cautions"][0]
    people.submit(people.open_records("ann")[0], "ann", "tool")
    daemon.wait_log("obstacle_gone")
    for record_id in people.open_records("ann"):
        people.submit(record_id, "ann", "tool")
    people.close()
    assert daemon.ended() == 0, daemon.log
    assert len(daemon.rows) == 1  # `max_rounds`: two batches went before the first model


def test_one_person_where_two_are_needed(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, queue={"min_submitted": 2})
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    for record_id in people.open_records("ann"):
        people.submit(record_id, "ann", "fruit")
    people.close()
    daemon.wait(lambda state: len(state.answers) == 6)
    daemon.wait_log("6 of 6 open records wait for somebody else")
    assert "6 of 6 open records wait for somebody else" in " ".join(
        daemon.loopd("status").stdout.split()
    )


@pytest.mark.slow
def test_check_says_on_a_terminal_what_it_looks_at(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "loopd", "check", str(daemon.config)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=theirs, env=daemon.environment, check=True
    )
    os.close(theirs)
    shown = os.read(mine, 100_000).decode()
    os.close(mine)
    for name in ("data", "model", "dataset"):
        assert f"{LOOKS[name]} ... 0 s" in shown
    assert shown.rstrip().endswith("\x1b[2K")
    assert LOOKS["model"].encode() not in done.stdout
    assert Path(daemon.config).exists()
