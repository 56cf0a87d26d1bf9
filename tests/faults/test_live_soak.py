"""Seeded histories with real processes: ``kill -9`` of daemon and Argilla, a line that fails.

``python -m tests.faults SEED --live`` tells one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.live_history import LINE, draw_live, run_live_seed
from tests.faults.nursery import Nursery
from tests.live import LiveArgilla

CHUNK = 5
ALL = 100
SHORT = 24
"""The seed in the default selection: a kill, a line with garbage, nothing that takes long."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.crash,
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


def chunks() -> list[object]:
    return [
        pytest.param(
            range(start, start + CHUNK),
            marks=pytest.mark.slow,
            id=f"seeds-{start}-to-{start + CHUNK - 1}",
        )
        for start in range(0, ALL, CHUNK)
    ]


@pytest.mark.parametrize("seeds", [pytest.param([SHORT], id=f"seed-{SHORT}"), *chunks()])
def test_nothing_is_lost_on_a_real_argilla(
    seeds: list[int], argilla: LiveArgilla, nursery: Nursery, tmp_path: Path
) -> None:
    found = [each for seed in seeds for each in run_live_seed(seed, tmp_path, argilla, nursery)]
    assert not found, "\n".join(map(str, found))


def test_the_plans_hold_every_kind_of_fault() -> None:
    plans = [draw_live(seed) for seed in range(ALL)]
    kinds = {what for plan in plans for _, what in plan.faults}
    lines = {kind for kind in kinds if kind.startswith("line ")}
    assert kinds - lines == {"kill", "disk", "server"}
    assert lines == {f"line {mode}" for mode in LINE}
    assert any(kill for plan in plans for kill in plan.kills)
    assert any(clock for plan in plans for clock in plan.clocks)
