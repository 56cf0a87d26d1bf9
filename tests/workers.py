"""Owns which tests share a worker, and which come first; must not know what they test.

pytest-xdist is told by a scheduler of our own, as with pytest 9.2 it no longer sees the marks
``xdist_group`` (pytest-xdist, issue 1386): every worker then builds the wheel, starts a browser and
makes the old run. A file is one piece of work, so that what its module sets up is set up once.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

TOGETHER = {
    "tests/browser/": "browser",
    "tests/acceptance/test_first_hour.py": "browser",
    "tests/learning/spans/": "spans",
}
"""Name of a piece of work that is more than a file, by the beginning of the tests' ids."""

APART = (
    "tests/acceptance/",
    "tests/crash/",
    "tests/faults/",
    "tests/fronts/",
    "tests/simulation/test_demo.py",
)
"""Files whose tests are long, share little and have many more members in `make check-full`: a test
is a piece of work."""

FIRST = (
    "tests/browser/",
    "tests/starting/test_start.py",
    "tests/crash/",
    "tests/docs/",
    "tests/packaging/",
    "tests/simulation/",
    "tests/export/",
    "tests/faults/",
    "tests/acceptance/",
    "tests/loop/",
    "tests/upgrade/",
    "tests/embedded_argilla/",
    "tests/integration/",
    "tests/learning/",
    "tests/monitoring/",
    "tests/starting/",
)
"""Where the longest pieces of work are: begun last, they would leave the other workers idle."""


def piece_of(node_id: str) -> str:
    """The piece of work that a test belongs to."""
    for start, name in TOGETHER.items():
        if node_id.startswith(start):
            return name
    return node_id if node_id.startswith(APART) else node_id.partition("::")[0]


def rank(node_id: str) -> int:
    """Tests of a lower rank begin earlier."""
    ranks = (number for number, start in enumerate(FIRST) if node_id.startswith(start))
    return next(ranks, len(FIRST))


def sort(items: list[pytest.Item]) -> None:
    """The longest first, in a worker; alone, pytest keeps its order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: rank(item.nodeid))


def scheduler(config: pytest.Config, log: object) -> Any:  # pytest-xdist has no types
    """What hands out the work, for ``--dist loadgroup``."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    handing_out = LoadScopeScheduling(config, log)
    handing_out._split_scope = piece_of
    return handing_out
