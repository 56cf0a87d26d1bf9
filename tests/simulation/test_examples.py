"""The example configurations run as they are, with their data, through the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def simulated(name: str, out: Path, *words: str) -> dict[str, Any]:
    """The results of a few rounds with the example's own strategy."""
    command = [sys.executable, "-m", "loopd", "simulate", f"configs/{name}.yaml", "--seeds", "1"]
    command += ["--jobs", "1", "--out", str(out), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("name", "rounds", "strategy", "metric", "least"),
    [
        pytest.param("topics", 2, "auto", "micro_f1", 0.6, marks=pytest.mark.slow),
        pytest.param("entities", 1, "auto", "f1", 0.5, marks=pytest.mark.slow),
        pytest.param("opinions", 2, "activelab", "accuracy", 0.5, marks=pytest.mark.slow),
        pytest.param("entities", 3, "auto", "f1", 0.8, marks=pytest.mark.slow),
    ],
)
def test_an_example_learns(
    tmp_path: Path, name: str, rounds: int, strategy: str, metric: str, least: float
) -> None:
    words = ("--strategies", strategy, "--rounds", str(rounds))
    found = simulated(name, tmp_path / "out", *words)
    assert found["metric"] == metric
    (arm,) = found["arms"].values()
    assert arm["final_accuracy"]["mean"] > least


def test_the_data_of_the_examples_is_what_the_script_makes(tmp_path: Path) -> None:
    data = ROOT / "configs/data"
    script = tmp_path / "make_examples.py"
    script.write_text((data / "make_examples.py").read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, str(script)], check=True)
    made = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert made == sorted(path.name for path in data.glob("*.jsonl"))
    for name in made:
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes()
