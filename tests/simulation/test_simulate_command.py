"""``loopd simulate`` as people start it: whole, ended, killed, failing, and started again."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loopd.metrics_log.writer import TIMED
from tests.simulation.sets import write_set

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

ROUNDS = 20
"""Of all runs together: two arms, two seeds, five rounds."""


class Command:
    """A ``loopd simulate`` in a process group of its own."""

    def __init__(self, config: Path, out: Path, *options: str) -> None:
        words = ["simulate", str(config), "--out", str(out), "--seeds", "2"]
        self.out = out
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loopd", *words, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.read: list[str] = []

    def until_rounds(self, count: int) -> None:
        """Read its log until so many rounds are reported."""
        assert self.process.stderr is not None
        while count:
            line = self.process.stderr.readline()
            assert line, self.read
            self.read.append(line)
            count -= "round_simulated" in line

    def ended(self) -> tuple[int, str, str]:
        """Exit code, standard output and the rest of the log."""
        printed, log = self.process.communicate(timeout=200)
        return self.process.returncode, printed, log

    def signal_all(self, number: int) -> None:
        """Signal the whole process group, as a terminal does."""
        os.killpg(self.process.pid, number)


def figures(out: Path) -> dict[str, Any]:
    """Everything in the results but dates and seconds."""
    found: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    del found["machine"]
    for arm in found["arms"].values():
        del arm["seconds_per_round"]
    with (out / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found["rows"] = [
        {key: value for key, value in row.items() if not key.startswith(TIMED)} for row in rows
    ]
    return found


def table(out: Path) -> list[str]:
    """The lines of the tables without the column of seconds and the date."""
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()[1:]
    place = next(number for number, line in enumerate(lines) if "seconds per round" in line)
    for number in range(place, place + 4):
        lines[number] = lines[number].rpartition(" | ")[0]
    return lines


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"), classifier={"threads": 1})


@pytest.fixture(scope="module")
def through(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a backtest that ran to its end in one go."""
    out = tmp_path_factory.mktemp("through") / "out"
    code, printed, log = Command(config, out, "--jobs", "1").ended()
    assert code == 0, log
    assert printed.strip() == (out / "table.md").read_text(encoding="utf-8").strip()
    lines = [json.loads(line) for line in log.splitlines()]
    rounds = [line for line in lines if line["event"] == "round_simulated"]
    assert len(rounds) == ROUNDS
    assert (rounds[-1]["done"], rounds[-1]["left"]) == (f"{ROUNDS}/{ROUNDS}", "0 s")
    return out


def test_everything_is_written(through: Path) -> None:
    found = figures(through)
    assert len(found["rows"]) == ROUNDS
    assert {"arm", "seed", "round", "labels", "accuracy", "macro_f1"} <= set(found["rows"][0])
    assert set(found["arms"]) == {"tfidf/breaking_ties", "tfidf/random_sampling"}
    against = found["arms"]["tfidf/breaking_ties"]["against_random"]
    assert (against["arm"], against["aulc"]["n"]) == ("tfidf/random_sampling", 2)
    for name in ("learning_curves.png", "seconds.png"):
        assert (through / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_ended_killed_and_started_again(config: Path, through: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = Command(config, out, "--jobs", "1")
    command.until_rounds(3)
    command.signal_all(signal.SIGINT)
    asked = time.monotonic()
    code, printed, log = command.ended()
    assert (code, printed) == (130, ""), log
    assert time.monotonic() - asked < 20
    with pytest.raises(ProcessLookupError):
        command.signal_all(0)  # no worker is left

    dice = random.SystemRandom()
    count, pause = dice.randint(1, 12), dice.random() / 2
    command = Command(config, out, "--jobs", "2")
    command.until_rounds(count)
    time.sleep(pause)
    command.signal_all(signal.SIGKILL)
    assert command.ended()[0] == -signal.SIGKILL
    assert not (out / "table.md").exists()

    code, printed, log = Command(config, out, "--jobs", "1").ended()
    assert code == 0, (log, count, pause)
    assert figures(out) == figures(through), (count, pause)
    assert table(out) == table(through), (count, pause)


@pytest.mark.slow
def test_a_failing_arm_is_named_and_the_others_are_kept(config: Path, tmp_path: Path) -> None:
    arms = tmp_path / "arms.yaml"
    arms.write_text(
        "- {name: good, strategy: {name: margin}}\n- {name: bad one, strategy: {name: margn}}\n"
    )
    words = ["--arms", str(arms), "--seeds", "1", "--jobs", "1", "--rounds", "2"]
    command = Command(config, tmp_path / "out", *words)
    code, printed, log = command.ended()
    assert (code, printed) == (12, "")
    error = [line for line in log.splitlines() if "error:" in line]
    assert len(error) == 1
    assert "arm bad one, seed 0: unknown strategy 'margn'" in error[0]
    assert sum("round_simulated" in line for line in log.splitlines()) == 2
    rows = (tmp_path / "out" / "runs" / "good" / "seed-0" / "metrics.jsonl").read_text()
    assert len(rows.splitlines()) == 2
