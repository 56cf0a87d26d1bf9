"""The script that makes sets for backtests out of raw files, on a handful of rows."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loopd.backtest.backtest import read_checked
from loopd.config_file import load_config

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_sets.py"


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def made(raw: Path, out: Path, name: str) -> dict[str, dict[str, str]]:
    """Label by text of the pool and of the test set that the script makes."""
    words = [sys.executable, str(SCRIPT), str(raw), str(out), "--sets", name, "--test", "2"]
    subprocess.run(words, check=True, capture_output=True)
    data = read_checked(load_config(out / name / "config.yaml"))
    assert data.test is not None
    return {
        "pool": {record.text: str(record.gold or "") for record in data.pool},
        "test": {record.text: str(record.gold or "") for record in data.test},
    }


def test_repeats_and_test_texts_leave_the_pool(tmp_path: Path) -> None:
    def row(text: str, label: str) -> dict[str, str]:
        return {"text": text, "label": label, "fine_label": f"{label}:x"}

    texts = [row("Who ?", "HUM"), row("who  ?", "HUM"), row("Where ?", "LOC"), row("When ?", "NUM")]
    write(tmp_path / "trec/train.jsonl", texts)
    write(tmp_path / "trec/test.jsonl", [row("WHEN ?", "NUM"), row("Whom ?", "HUM")])
    found = made(tmp_path, tmp_path / "out", "trec_fine")
    assert found["pool"] == {"Who ?": "HUM:x", "Where ?": "LOC:x"}
    assert found["test"] == {"Whom ?": "HUM:x"}  # no pool text has the label of the other


def test_emotions_of_one_group_only(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "text": "a", "labels": ["love", "pride"]},
        {"id": "2", "text": "b", "labels": ["love", "grief"]},
        {"id": "3", "text": "c", "labels": ["neutral"]},
        {"id": "4", "text": "d", "labels": ["curiosity"]},
    ]
    write(tmp_path / "goemotions/train.jsonl.gz", rows)
    tests = [{"id": str(n), "text": f"t{n}", "labels": ["joy"]} for n in range(5)]
    write(tmp_path / "goemotions/test.jsonl.gz", tests)
    found = made(tmp_path, tmp_path / "out", "goemotions")
    assert found["pool"] == {"a": "joy", "c": "neutral", "d": "surprise"}
    assert len(found["test"]) == 2


def test_the_majority_is_right_and_ties_are_dropped(tmp_path: Path) -> None:
    def row(text: str, first: list[int], extra: list[int]) -> dict[str, Any]:
        answers = [{f"{part}{n}": vote for n, vote in enumerate(votes)}
                   for part, votes in (("a", first), ("b", extra))]  # fmt: skip
        return {"text": text, "initial_annotations": answers[0], "extra_annotations": answers[1]}

    rows = [row("p", [1, 0], [1]), row("q", [1, 0], [0, 0]), row("r", [1], [0])]
    write(tmp_path / "politeness/train.jsonl", rows)
    write(tmp_path / "politeness/test.jsonl", [{"text": "t", "label": 1}])
    found = made(tmp_path, tmp_path / "out", "politeness")
    assert found == {"pool": {"p": "polite", "q": "impolite"}, "test": {"t": "polite"}}
