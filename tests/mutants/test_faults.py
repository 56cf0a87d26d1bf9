"""The list of planted faults cannot rot: what they change is there, and their tests are too."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS
from tests.mutants.running import ROOT

PROMISED = 60
"""Faults that there are at least."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_a_fault_changes_is_there_once_and_still_parses(fault: Fault) -> None:
    assert fault.occurrences(ROOT) == 1
    assert fault.old != fault.new
    right = fault.path(ROOT).read_text(encoding="utf-8")
    planted = fault.planted(ROOT)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(right))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_its_tests_are_there(fault: Fault) -> None:
    assert fault.tests
    for test in fault.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert all(f"def {name}(" in text for name in names), test


def test_there_are_enough_and_no_name_twice() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) >= PROMISED
    assert len(set(names)) == len(names)
