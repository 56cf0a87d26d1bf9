"""The commands as people type them: run to the end, check, status, oracle, exit codes, speed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import targets
from loopd.machine import Phase
from tests.acceptance.conftest import MakeDaemon, slowly
from tests.acceptance.test_failures import answer_all, collecting, fails, rounds
from tests.daemon import COMMAND
from tests.live import LiveArgilla

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


@pytest.mark.slow
def test_a_whole_run_with_simulated_people(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, pool={"label": "label"})
    daemon.start(COMMAND)
    options = "--gold label --people 2 --seconds 0 --discard-rate 0.1 --edit-rate 0.1 --seed 3"
    oracle = daemon.spawn("oracle", *options.split())
    assert daemon.ended(120) == 0, daemon.log
    oracle.send_signal(signal.SIGINT)
    played, _ = oracle.communicate(timeout=20)
    assert oracle.returncode == 0, played
    assert "answers" in played
    assert [row["round"] for row in daemon.rows] == [0, 1, 2]
    assert daemon.rows[-1]["labels"] == len(targets(daemon.state))
    assert (daemon.run_dir / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    again = daemon.loopd("run")
    assert again.returncode == 0
    assert len(daemon.rows) == 3


def test_the_log_is_json_lines_without_secrets(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, log={"level": "debug"})
    daemon.start()
    daemon.wait(collecting)
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert {"run_started", "batch_planned", "batch_published", "stopped"} <= {
        line["event"] for line in lines
    }
    everything = b"".join(path.read_bytes() for path in daemon.folder.rglob("*") if path.is_file())
    assert daemon.api_key.encode() not in everything


@pytest.mark.slow
def test_a_signal_while_a_transformer_trains(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, classifier={"name": "transformer"})
    daemon.start(COMMAND)
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    daemon.wait(lambda state: state.phase is Phase.TRAIN)
    daemon.signal(signal.SIGTERM)
    asked = time.monotonic()
    assert daemon.ended(20) == 0
    assert time.monotonic() - asked < 15
    assert "Traceback" not in daemon.log
    daemon.start()
    daemon.wait(rounds(2), 120)


def test_check_finds_nothing_wrong(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, guests=False)
    done = daemon.loopd("check")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("all 2 labels", "tfidf", "account `owner`", "will be created", "new run"):
        assert words in done.stdout
    assert daemon.loopd("status").returncode == 13


def test_check_names_everything_that_is_wrong(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(
        argilla,
        task={"labels": ["fruit", "tool", "animal"]},
        classifier={"name": "tfdf"},
        argilla={"workspace": "nowhere"},
    )
    (daemon.folder / "test.csv").write_bytes((daemon.folder / "pool.csv").read_bytes())
    done = daemon.loopd("check")
    assert done.returncode == 12
    for words in ("['animal']", "also in the test set", "tfidf", "no workspace `nowhere`"):
        assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_status_while_people_label(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    process = daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    people.close()
    daemon.wait(rounds(2))
    status = json.loads(daemon.loopd("status", "--json").stdout)
    assert status["daemon"] == process.pid
    assert (status["phase"], status["labels"], status["open"]) == ("collect", 6, 6)
    assert 0 <= status["accuracy_low"] <= status["accuracy"] <= status["accuracy_high"] <= 1
    text = daemon.loopd("status").stdout
    assert "6 records are open" in text
    daemon.kill()
    assert "not running" in daemon.loopd("status").stdout


def test_an_answer_that_changes_is_journaled_with_its_history(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    record_id = daemon.wait(collecting).batch.record_ids[0]
    people = argilla.people(daemon.dataset)
    people.submit(record_id, "ann", "fruit")
    daemon.wait(lambda state: targets(state).get(record_id) == "fruit")
    people.submit(record_id, "ann", "tool")
    daemon.wait(lambda state: targets(state).get(record_id) == "tool")
    people.withdraw(record_id, "ann")
    daemon.wait(lambda state: record_id not in targets(state))
    people.close()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"queue": {"batchsize": 3}}, 10, "did you mean `batch_size`?"),
        ({"pool": {"path": "absent.csv"}}, 11, "absent.csv"),
        ({"pool": {"text": "txt"}}, 11, "text"),
        ({"classifier": {"name": "transfomer"}}, 12, "transformer"),
        slowly({"classifier": {"name": "transformer", "model": "no/such-model"}}, 12, "no/such-"),
        ({"strategy": {"name": "braking_ties"}}, 12, "breaking_ties"),
        slowly({"strategy": {"name": "nowhere.module:Class"}}, 12, "nowhere"),
        slowly({"stopping": {"criteria": [{"name": "max_iterations"}]}}, 10, "max_iterations"),
        slowly(
            {
                "stopping": {"criteria": [{"name": "delta_f_score"}]},
                "task": {"labels": ["fruit", "tool", "animal"]},
            },
            10,
            "needs two labels",
        ),
    ],
)
def test_mistakes_end_with_a_clear_line(
    argilla: LiveArgilla, make_daemon: MakeDaemon, change: dict[str, Any], code: int, words: str
) -> None:
    fails(make_daemon(argilla, guests=False, **change), code, words)


def test_a_key_that_is_not_set(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.api_key = ""
    done = daemon.loopd("run")
    assert done.returncode == 10
    assert "ARGILLA_API_KEY" in done.stderr


def test_a_run_directory_that_cannot_be_written(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla)
    (daemon.folder / "run").write_text("a file stands where the folder should be")
    done = daemon.loopd("run")
    assert done.returncode == 16
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("-c", "import loopd"), ("-m", "loopd", "--help")], ids=("import", "help")
)
def test_help_answers_at_once(arguments: tuple[str, ...]) -> None:
    """Under half a second: the best of five, so that a busy machine does not lie."""
    assert min(_seconds([sys.executable, *arguments]) for _ in range(5)) < 0.5


def _seconds(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    return time.monotonic() - started


def test_every_command_has_help() -> None:
    for verb in ("run", "check", "status", "serve", "oracle", "demo"):
        done = subprocess.run(
            [sys.executable, "-m", "loopd", verb, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Usage: " in done.stdout
