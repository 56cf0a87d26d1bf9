"""Seeded histories in memory: whatever dies, no label and no batch is lost or doubled.

``python -m tests.faults SEED`` tells one of them.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.checker import Violation
from tests.faults.evidence import read_journal
from tests.faults.history import History, run_seed
from tests.faults.plan import draw

CHUNK = 25
SHORT = 12
"""Histories in the default selection, the first ones."""
ALL = 1000


def chunks() -> list[object]:
    begins = [0, SHORT, *range(CHUNK, ALL, CHUNK)]
    return [
        pytest.param(
            range(begin, end),
            marks=[pytest.mark.slow] if begin >= SHORT else [],
            id=f"seeds-{begin}-to-{end - 1}",
        )
        for begin, end in pairwise([*begins, ALL])
    ]


def told(violations: list[Violation]) -> str:
    return "\n".join([*map(str, violations), "", "python -m tests.faults SEED tells a history"])


@pytest.mark.parametrize("seeds", chunks())
def test_no_label_and_no_batch_is_lost_or_doubled(seeds: range, tmp_path: Path) -> None:
    found = [each for seed in seeds for each in run_seed(seed, tmp_path / str(seed))]
    assert not found, told(found)


def test_a_seed_gives_the_same_history_again(tmp_path: Path) -> None:
    journals = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        random.seed(str(folder))  # nothing may come from the global generator
        History(draw(5), folder).run()
        journals.append(read_journal(folder / "run" / "journal.sqlite"))
    assert len(journals[0]) > 10
    assert journals[0][1:] == journals[1][1:]


@pytest.mark.slow
def test_the_order_of_sets_changes_nothing(tmp_path: Path) -> None:
    journals = []
    for hashes in ("1", "2"):
        folder = tmp_path / hashes
        told = "import sys; from pathlib import Path; from tests.faults.history import run_seed"
        done = f"{told}; print(run_seed(75, Path(sys.argv[1])))"
        command = [sys.executable, "-c", done, str(folder)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": hashes}, check=True)
        journals.append(read_journal(folder / "run" / "journal.sqlite"))
    assert journals[0][1:] == journals[1][1:]


def test_faults_of_every_kind_strike(tmp_path: Path) -> None:
    struck: list[str] = []
    for seed in (5, 14, 15, 25):
        history = History(draw(seed), tmp_path / str(seed))
        history.run()
        struck += history.weather.struck
    assert {each.split()[0] for each in struck} >= {"outage", "kill", "disk", "stop"}
