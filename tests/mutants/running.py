"""Owns a copy of the repository and the tests that run in it; must not touch the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.fault import Fault

ROOT = Path(__file__).parents[2]

COPIED = ("loopd", "tests", "configs", "pyproject.toml", "README.md")
"""What the quick tests read."""

FAST = "not slow and not integration and not acceptance and not browser and not crash"
"""Markers of what `make fast` runs: no server, no model, no process."""

FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests said of a fault.

    Attributes:
        fault: that was planted.
        caught_by: the first test that failed, empty where none did.
        seconds: for how long they ran.
        problem: why the tests said nothing of it, empty where they did.
    """

    fault: Fault
    caught_by: str
    seconds: float
    problem: str = ""


class Copy:
    """A copy of the repository in which faults are planted.

    Args:
        folder: empty; everything happens below it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                unneeded = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(source, folder / name, ignore=unneeded)
            else:
                shutil.copy(source, folder / name)
        self._warm = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.warm"],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def try_fault(self, fault: Fault, limit: float) -> Outcome:
        """Plant a fault, run its tests, and put the file right again.

        Args:
            fault: to be planted.
            limit: seconds that its tests may take.
        """
        began = time.monotonic()
        with self._planted(fault):
            code, output = self.test(fault.tests, limit)
        seconds = time.monotonic() - began
        failed = FAILED.search(output)
        if code == 1 and failed is not None:
            return Outcome(fault, failed[1], seconds)
        problems = {0: "", None: f"the tests took more than {limit:.0f} s"}
        return Outcome(fault, "", seconds, problems.get(code, f"pytest ended with {code}"))

    def test(self, tests: Sequence[str], limit: float) -> tuple[int | None, str]:
        """Run tests until one fails: pytest's exit code, ``None`` after the limit, and its words.

        Args:
            tests: files or single tests.
            limit: seconds.
        """
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-m", FAST]
        order, answer = self._warm.stdin, self._warm.stdout
        if order is None or answer is None:
            raise RuntimeError("the process that runs tests has no line to it")
        order.write(json.dumps([limit, [*options, *tests]]) + "\n")
        order.flush()
        code, words = json.loads(answer.readline())
        return code, words

    def close(self) -> None:
        """End the process that runs tests."""
        self._warm.communicate()

    def is_tested(self) -> bool:
        """Whether tests in the copy import the copied package, and no other."""
        told = subprocess.run(
            [sys.executable, "-c", "import loopd; print(loopd.__file__)"],
            cwd=self.root,
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return Path(told.stdout.strip()).is_relative_to(self.root.resolve())

    @contextmanager
    def _planted(self, fault: Fault) -> Iterator[None]:
        path = fault.path(self.root)
        right = path.read_text(encoding="utf-8")
        _write(path, fault.planted(self.root))
        try:
            yield
        finally:
            _write(path, right)

    def _environment(self) -> dict[str, str]:
        # Of pytest's plugins the tests need one; to load all of them takes longer than most tests.
        return {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }


def _write(path: Path, text: str) -> None:
    """Write a module, and forget its bytecode: that goes by second and size, which may be alike."""
    path.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
