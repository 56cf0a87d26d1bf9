"""The list of long tests names tests that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.long import LONG

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("start", LONG)
def test_each_line_names_something(start: str) -> None:
    file, _, name = start.partition("::")
    path = ROOT / file
    assert path.exists()
    assert not name or f"def {name}" in path.read_text(encoding="utf-8")
