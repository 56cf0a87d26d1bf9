"""Owns a copy of the repository and the tests that run in it; must not touch the checkout."""

from __future__ import annotations

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
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", FAST]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        try:
            ended = subprocess.run(
                command,
                cwd=self.root,
                env=self._environment(),
                timeout=limit,
                check=False,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            return None, ""
        return ended.returncode, ended.stdout + ended.stderr

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
        path.write_text(fault.planted(self.root), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(right, encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        # Bytecode is told apart by size and second: a fault may share both with what was right.
        return {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
