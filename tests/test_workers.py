"""Which tests share a worker, held against pytest-xdist: its own groups failed without a word."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.workers import APART, FIRST, TOGETHER, piece_of, rank

ROOT = Path(__file__).parent.parent

CONFTEST = """
import sys
sys.path.insert(0, {root!r})
import pytest
from tests import workers

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return workers.scheduler(config, log)
"""

TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(7))
def test_who(number):
    with open({log!r}, "a") as file:
        file.write({name!r} + " " + os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


@pytest.mark.parametrize("start", [*TOGETHER, *APART, *FIRST])
def test_each_line_names_something(start: str) -> None:
    assert (ROOT / start).exists()


def test_pieces_of_work() -> None:
    assert piece_of("tests/unit/test_x.py::test_a[1::2]") == "tests/unit/test_x.py"
    assert piece_of("tests/browser/test_x.py::test_a") == piece_of(
        "tests/browser/test_y.py::test_b"
    )
    assert piece_of("tests/crash/test_x.py::test_a[1]") != piece_of(
        "tests/crash/test_x.py::test_a[2]"
    )
    assert rank("tests/browser/test_x.py::test_a") < rank("tests/unit/test_x.py::test_a")


def test_a_file_stays_with_one_worker(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "conftest.py").write_text(CONFTEST.format(root=str(ROOT)))
    for name in ("a", "b", "c"):
        path = tmp_path / f"test_{name}.py"
        path.write_text(TESTS.format(log=str(log), name=name))
    words = [
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, tmp_path],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    who: dict[str, set[str]] = defaultdict(set)
    for line in log.read_text().splitlines():
        name, worker = line.split()
        who[name].add(worker)
    assert len(who) == 3
    assert all(len(workers) == 1 for workers in who.values())
    assert len(set().union(*who.values())) == 2
