"""A benchmark that keeps a loop of its own goes on working: a few rounds on generated texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
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


def written(folder: Path, texts: int) -> Path:
    """A set as ``make_sets.py`` writes it, of texts that are easy to tell apart."""
    rows = [
        {"text": f"{WORDS[number % 2][number % 3]} text {number}", "label": "ab"[number % 2]}
        for number in range(texts)
    ]
    write(folder / "pool.jsonl", rows)
    write(folder / "test.jsonl", rows[:20])
    columns = {"text": "text", "label": "label"}
    settings = {
        "task": {"type": "single_label", "labels": ["a", "b"]},
        "pool": {"path": "pool.jsonl", **columns},
        "test": {"path": "test.jsonl", **columns},
    }
    (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def figures_of(tmp_path: Path, script: str, *options: str) -> dict[str, Any]:
    """Run a benchmark's script to its end; it writes one file."""
    words = [
        sys.executable,
        str(SCRIPT.with_name(script)),
        *options,
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_daily_files_against_all_at_once(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", 600)
    found = figures_of(
        tmp_path, "daily_files.py", str(folder), "--seeds", "2", "--classifier", "tfidf"
    )
    assert found["batches_before_each_file"] == list(range(14))
    assert found["chosen_before_they_came"] == 0
    assert found["labels"][-1] == 400
    assert len(found["daily"]) == len(found["at once"]) == len(found["labels"])
    assert sum(found["chosen_of_each_file"]) == pytest.approx(400)


@pytest.mark.slow
def test_shifts_are_planted_and_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("trec", 2_400), ("goemotions", 2_400), ("emoji", 300)):
        folder = written(tmp_path / "sets" / name, count)
        rows = rng.normal(size=(count, 8)) + (4 if name == "emoji" else 0)
        np.save(folder.with_name(f"{name}-vectors.npy"), rows.astype(np.float32))
    options = ("--runs", "2", "--planted-runs", "1")
    found = figures_of(tmp_path, "shift.py", str(tmp_path / "sets"), *options)
    assert found["planted"]["tweets"]["within_two"] == 1
    assert found["planted"]["a"]["auc"] < 0.6  # nothing tells it from the other class
    assert [found["calm"][name]["alarms"] for name in ("trec", "goemotions")] == [0, 0]
    assert len((tmp_path / "sets" / "shift_runs.jsonl").read_text().splitlines()) == 13
