"""The benchmark for GPUs works without one, and says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"

HIDDEN = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=HIDDEN)


@pytest.mark.slow
def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    done = run("--work", tmp_path / "work", "--results", tmp_path / "results")
    assert done.returncode == 2
    assert done.stderr.startswith("no GPU: torch ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.integration
def test_a_few_texts_go_through_every_part(tmp_path: Path) -> None:
    done = run("--smoke", "--work", tmp_path / "work", "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no GPU" in done.stderr
    figures = json.loads((tmp_path / "gpu_smoke.json").read_text(encoding="utf-8"))
    assert figures["machine"]["gpu"] is None
    assert figures["failed"] == []
    assert set(figures["turnaround"]) == {"cpu", "public recipe"}
    assert figures["turnaround"]["cpu"]["12"]["total"] > 0
    assert figures["turnaround"]["cpu"]["same model again"]["equal"]
    assert figures["scoring"]["cpu"]["fp32"]["relative error"] == 0
    assert 0 < figures["scoring"]["cpu"]["bf16"]["relative error"] < 0.1
    assert len(figures["pool"]) == 3
    for figure in figures["pool"].values():
        assert figure["labels at the end"] == 80
        assert "GPU peak, MiB" not in figure
