"""The status on a terminal: as wide as it is, and nothing that it cannot show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loopd.cli import main
from loopd.data.pool import Pool
from loopd.machine import fold
from loopd.metrics_log import writer as metrics_log
from loopd.overview.overview import Overview, overview
from loopd.overview.terminal import Look, bar, spark, status_text
from tests.monitoring.rounds import HOSTILE
from tests.monitoring.run_folder import run_on_disk
from tests.monitoring.story import START, opening, settings, story

ALIVE: dict[str, Any] = {"run_dir": "/srv/run", "daemon": 7, "seen": 1.4, "discarded": 2}


def seen(labels: tuple[str, ...] = ("fruit", "tool"), rounds: int = 3) -> Overview:
    config, state = settings(Path("/base"), labels), fold(story(rounds, 1, labels))
    return overview(state, config, Pool(()), metrics_log.rows(state), START + 400)


def test_the_screen() -> None:
    shown = status_text(seen(), ALIVE, Look(80)).splitlines()
    assert shown[0] == "loopd / story"
    assert shown[1].startswith("Waits for people: 3 records are open.")
    facts = {line[:11].strip(): line[11:] for line in shown if line[:1].isalpha()}
    assert facts["daemon"] == "running (process 7, last sign of life 1 s ago)"
    assert facts["labels"] == "13 (2 discarded, 3 open)"
    assert facts["accuracy"] == "0.700 [0.650, 0.750] ▁▅█"
    assert facts["b0003"] == "██████░░░░░░░░░░░░░░░░░░ 1 of 4 answered"
    assert shown[-1].split()[:4] == ["2", "12", "0.700", "0.650-0.750"]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    shown = status_text(seen(HOSTILE), ALIVE, Look(width, unicode))
    assert max(map(len, shown.splitlines())) <= max(width, 30)
    assert "round" in shown
    assert shown.isascii() is not unicode
    assert "\x1b" not in shown


def test_colours_are_only_where_they_are_wanted() -> None:
    plain, painted = (status_text(seen(), ALIVE, Look(80, colour=each)) for each in (False, True))
    assert "\x1b[32m" in painted
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m"):
        painted = painted.replace(code, "")
    assert painted == plain


def test_sparks_and_bars() -> None:
    assert spark([0.0, 0.5, None, 1.0], 10) == "▁▅ █"
    assert spark([0.1, 0.2, 0.3], 2) == "▁█"
    assert spark([0.5, 0.5], 5, unicode=False) == "--"
    assert spark([], 5) == spark([None], 5) == spark([1.0], 0) == ""
    assert bar(0, 9, 6) == "░░░░░░"
    assert bar(8, 9, 6) == "█████░"  # full only when all is done
    assert bar(9, 9, 6, unicode=False) == "######"
    assert bar(0, 0, 2) == "░░"


def test_the_command_before_any_round_and_without_a_run(tmp_path: Path) -> None:
    run_on_disk(tmp_path, [opening()], ("fruit", "tool"))
    done = CliRunner().invoke(main, ["status", str(tmp_path / "my.yaml")])
    assert done.exit_code == 0
    assert "not running" in done.output
    assert "not measured yet" in done.output
    (tmp_path / "run").rename(tmp_path / "gone")
    assert CliRunner().invoke(main, ["status", str(tmp_path / "my.yaml")]).exit_code == 13


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    run_on_disk(tmp_path, story(3), ("fruit", "tool"))
    command = [sys.executable, "-m", "loopd", "status", str(tmp_path / "my.yaml")]
    env = {
        "PYTHONIOENCODING": "ascii",
        "COLUMNS": "60",
        "PATH": "",
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(command, capture_output=True, check=True, env=env)
    assert done.stderr == b""
    assert b"1 of 4 answered" in done.stdout
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 60
