"""Commands at a real terminal, and the same commands in a pipe: what people see, and what is lost.

What is drawn is tested in ``tests/monitoring/test_console.py``, without a process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import MakeDaemon, slowly
from tests.acceptance.test_failures import answer_all
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.simulation.sets import write_set
from tests.terminal import AtTerminal, interruptible, plain

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

LOGGED = ("annotate_here", "batch_planned", "batch_published", "model_trained", "run_stopped")


@pytest.fixture
def daemon(argilla: LiveArgilla, make_daemon: MakeDaemon) -> Daemon:
    """A run of one round; nothing of it is started."""
    return make_daemon(argilla, stopping={"max_rounds": 1})


def at(daemon: Daemon, verb: str, *words: str, columns: int = 100, **env: str) -> AtTerminal:
    environment = {**daemon.environment, **env}
    environment.pop("COLUMNS", None)
    config = daemon.config.name
    return AtTerminal(
        verb,
        config,
        *words,
        columns=columns,
        env=environment,
        folder=daemon.folder,
        nursery=daemon.nursery,
    )


def test_a_run_on_a_terminal_to_its_end(argilla: LiveArgilla, daemon: Daemon) -> None:
    check = at(daemon, "check")
    assert check.ended() == 0
    assert "loads the model ... " in plain(check.written)
    assert "... " not in "".join(check.screen())  # it goes away

    run = at(daemon, "run")
    run.until("Waits for people: 6 records are open.")
    run.until("label at")
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    run.until("The run is over")
    assert run.ended() == 0
    screen = "\n".join(run.screen())
    for word in LOGGED:
        assert screen.count(word) == 1  # what is logged stays, once
    assert "Traceback" not in screen
    assert "accuracy" in screen
    for command in ("predict", "export", "report", "run"):
        assert f"  loopd {command} config.yaml" in screen
    assert screen.count("The run is over") == 1
    assert screen.index("run_stopped") < screen.index("The run is over")

    _watched(daemon)


def _watched(daemon: Daemon) -> None:
    """``status --watch`` of the run, at a terminal of 40 columns and in a pipe."""
    watch = at(daemon, "status", "--watch", columns=40)
    watch.until("loopd export config.yaml")
    watch.press("\x03")
    assert watch.ended(60) == 0
    assert "Traceback" not in watch.written
    assert "Abort" not in watch.written
    assert all(len(line) <= 40 for line in watch.screen())
    words = [sys.executable, "-m", "loopd", "status", "config.yaml", "--json", "--watch", "0.2"]
    piped = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=daemon.folder,
        env=daemon.environment, preexec_fn=interruptible,  # noqa: PLW1509 - no threads here
    )  # fmt: skip
    assert piped.stdout is not None
    assert json.loads(piped.stdout.readline())["phase"] == "done"
    piped.send_signal(signal.SIGINT)
    rest, errors = piped.communicate(timeout=60)
    assert (piped.returncode, rest, errors) == (0, "", "")


def test_ctrl_c_on_a_narrow_terminal_without_colours(daemon: Daemon) -> None:
    run = at(daemon, "run", columns=40, NO_COLOR="1")
    run.until("label at")
    run.press("\x03")
    assert run.ended() == 0
    written = plain(run.written)
    assert "stopped" in written
    assert "Traceback" not in written
    assert not any(f"\x1b[{code}m" in run.written for code in range(30, 38))
    assert run.written.rindex("\x1b[?25h") > run.written.rindex("\x1b[?25l")  # the cursor is back


@pytest.mark.parametrize("env", [slowly({"TERM": "dumb"}), slowly({"LOG": "json"})])
def test_a_plain_terminal_gets_plain_lines(daemon: Daemon, env: dict[str, str]) -> None:
    if "LOG" in env:
        daemon.settings["log"] = {"format": "json"}
        daemon.save()
    run = at(daemon, "run", columns=100, **env)
    run.until("batch_published")
    run.press("\x03")
    assert run.ended() == 0
    assert "\x1b[2K" not in run.written
    assert "\x1b[1A" not in run.written
    lines = [line for line in run.written.splitlines() if line.strip() and line != "^C"]
    if "LOG" in env:
        events = [json.loads(line.removeprefix("^C"))["event"] for line in lines]
        assert "annotate_here" in events
    else:
        assert any("annotate_here" in line for line in lines)


@pytest.mark.slow
def test_a_backtest_on_a_terminal_and_its_table_in_a_file(tmp_path: Path) -> None:
    config = write_set(tmp_path, classifier={"threads": 1}, stopping={"max_rounds": 2})
    table = tmp_path / "table.txt"
    words = ("simulate", str(config), "--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "o"))
    command = AtTerminal(*words, out=table)
    assert command.ended() == 0
    screen = "\n".join(command.screen())
    assert screen.count("round_simulated") == 4
    assert "rounds" in screen
    assert "4 of 4" in screen
    assert table.read_text(encoding="utf-8").startswith("# Backtest of loopd")
    assert "# Backtest" not in screen
