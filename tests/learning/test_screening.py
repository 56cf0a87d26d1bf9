"""Rough scores may only decide who is in the running, never who wins."""

from __future__ import annotations

import numpy as np
import pytest

from loopd.learning.arrays import Positions, Scores
from loopd.learning.screening import AT_LEAST, shortlist


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.2])
def test_the_exact_best_are_always_in(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    exact = rng.random(3000)
    rough = exact + rng.uniform(-noise, noise, 3000)
    rows, scores = shortlist(rough, 20, lambda places: exact[places])
    assert set(np.argsort(-exact)[:20]) <= set(rows)
    assert np.array_equal(scores, exact[rows])
    assert np.array_equal(rows, np.sort(rows))


def test_small_errors_cost_little_and_large_ones_everything() -> None:
    rng = np.random.default_rng(0)
    exact = rng.random(10_000)
    few, _ = shortlist(exact + rng.uniform(-1e-4, 1e-4, 10_000), 20, lambda rows: exact[rows])
    assert len(few) == AT_LEAST
    everything, _ = shortlist(rng.random(10_000), 20, lambda rows: exact[rows])
    assert len(everything) == 10_000


def test_without_the_check_of_the_error_the_best_would_be_missed() -> None:
    exact = np.linspace(0, 1, 2000)
    rough = exact.copy()
    rough[-1] = exact[-AT_LEAST - 50]  # the very best looks mediocre, and so do others
    rough[-300:-1] -= 0.12
    rows, _ = shortlist(rough, 20, lambda places: exact[places])
    assert 1999 in rows


def test_all_rows_where_there_are_few() -> None:
    asked: list[int] = []

    def exact(places: Positions) -> Scores:
        asked.append(len(places))
        return np.zeros(len(places))

    rows, _ = shortlist(np.zeros(30), 20, exact)
    assert len(rows) == 30
    assert asked == [30]
