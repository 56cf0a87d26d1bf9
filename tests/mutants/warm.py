"""Owns a process that has loaded what tests need, and forks to run some; must never load loopd.

Loading takes longer than most tests do. ``python -m tests.mutants.warm`` reads a line of JSON for
each run from its input, ``[seconds, arguments of pytest]``, and writes one to its output, ``[exit
code or null after so many seconds, words of pytest]``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings

LOADED = (
    "httpx",
    "numpy",
    "pydantic",
    "scipy.sparse.csgraph",
    "scipy.special",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "small_text",
    "structlog",
    "yaml",
)

ALREADY = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    calm()
    if "loopd" in sys.modules:
        raise RuntimeError("loopd is loaded already: a fault would not be")
    gc.freeze()  # or each child would walk all of it again
    for line in sys.stdin:
        limit, arguments = json.loads(line)
        sys.stdout.write(json.dumps(forked(limit, arguments)) + "\n")
        sys.stdout.flush()


def calm() -> None:
    """Let property tests say the same each time, also on a busy machine."""
    slow = [HealthCheck.too_slow]
    settings.register_profile(
        "calm", deadline=None, derandomize=True, database=None, suppress_health_check=slow
    )
    settings.load_profile("calm")


def forked(limit: float, arguments: Sequence[str]) -> tuple[int | None, str]:
    """Exit code and words of pytest in a process of its own; no code after so many seconds."""
    with tempfile.TemporaryFile("w+") as words:
        process = os.fork()
        if not process:
            os.dup2(words.fileno(), 1)
            os.dup2(words.fileno(), 2)
            os._exit(int(pytest.main(["-W", ALREADY, *arguments])))
        code = awaited(process, limit)
        words.seek(0)
        return code, words.read()


def awaited(process: int, limit: float) -> int | None:
    """The exit code of a child; ``None`` where it had to be ended."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


if __name__ == "__main__":
    main()
