"""A benchmark that keeps a loop of its own goes on working: a few rounds on generated texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.test_make_sets import write

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "activelab.py"

WORDS = (("rude", "demand", "nonsense"), ("please", "thanks", "kindly"))
"""Of each label."""

INITIAL, LATER = 24, 60


def said(number: int) -> dict[str, Any]:
    """A text, and what six people said of it; the last of the two who began is often wrong."""
    label = number % 2
    initial = {"a": label, "b": label ^ (number % 3 == 0)}
    return {
        "id": f"r{number}",
        "text": f"{WORDS[label][number % 3]} text {number}",
        "part": "initial" if number < INITIAL else "extra",
        "initial_annotations": initial if number < INITIAL else {},
        "extra_annotations": dict.fromkeys("cdef", label),
    }


@pytest.mark.slow
def test_second_opinions_against_random(tmp_path: Path) -> None:
    write(tmp_path / "data/train.jsonl", [said(number) for number in range(INITIAL + LATER)])
    test = [{"text": f"{word} so", "label": label} for label in (0, 1) for word in WORDS[label]]
    write(tmp_path / "data/test.jsonl", test)
    for name in ("activelab", "random"):
        line = ",".join(["0.5"] * 25)
        (tmp_path / f"data/reference_{name}_accuracy.csv").write_text(f"{line}\n{line}\n")
    words = [sys.executable, str(SCRIPT), str(tmp_path / "data"), str(tmp_path / "work")]
    words += ["--classifier", "tfidf", "--seeds", "1", "--rounds", "3"]
    done = subprocess.run(
        [*words, "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "activelab_tfidf.json").read_text(encoding="utf-8"))
    assert len(found["runs"]) == 4
    for run in found["runs"]:
        answers = [row["annotations"] for row in run["rounds"]]
        assert answers == [2 * INITIAL, 2 * INITIAL + 25, 2 * INITIAL + 50]
        assert (run["rounds"][-1]["second_opinions"] > 0) == run["arm"].startswith("activelab")
