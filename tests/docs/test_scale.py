"""The plan agrees with what was measured, as the page on it says."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.docs import pages

SCRIPT = pages.ROOT / "benchmarks/plan_check.py"
FAR_OFF = 1.3
"""Times that a plan may be above or below a measurement."""


def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("plan_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["plan_check", "plan_check_epyc"])
def test_plans_are_within_thirty_per_cent_of_measurements(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = script(monkeypatch)
    runs = check.last(name)
    far = [
        (entry["workload"]["texts"], lap, what, measured, planned)
        for entry in runs
        for lap, what, measured, planned in check.compared(entry)
        if measured >= 1 and not 1 / FAR_OFF <= planned / measured <= FAR_OFF
    ]
    assert far == []
    assert {100_000} <= {entry["workload"]["texts"] for entry in runs}


def test_a_plan_that_is_far_off_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    check = script(monkeypatch)
    entry = check.last()[0]
    entry["measured"] = {"read": {"seconds": 1000.0, "memory": 1}}
    (seconds, memory) = [planned / measured for _, _, measured, planned in check.compared(entry)]
    assert seconds < 1 / FAR_OFF
    assert memory > FAR_OFF


def test_the_page_shows_each_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    page = pages.text("docs/scale.md")
    check = script(monkeypatch)
    runs = [*check.last(), *check.last(check.ELSEWHERE)]
    assert all(line in page for line in check.table_of(runs))
