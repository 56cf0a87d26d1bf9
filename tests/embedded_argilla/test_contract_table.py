"""The table in docs/search-engine.md and the contract tests name each other, one for one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_table_and_tests_agree() -> None:
    table = (ROOT / "docs/search-engine.md").read_text(encoding="utf-8")
    tests = (ROOT / "tests/embedded_argilla/test_search_contract.py").read_text(encoding="utf-8")
    in_table = re.findall(r"\| `(test_\w+)` \|$", table, flags=re.MULTILINE)
    in_tests = re.findall(r"^def (test_\w+)\(", tests, flags=re.MULTILINE)
    assert sorted(in_table) == sorted(in_tests)
