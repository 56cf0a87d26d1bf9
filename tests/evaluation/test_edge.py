"""Whether choosing pays: an interval that may be looked at every round, and what it is fed with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loopd.evaluation.edge import LEAST, BatchRows, differences, edge, interval

RUNS = 80


class Spy:
    """A judge whose verdict depends on what it has learned; it remembers what it was shown."""

    def __init__(self, good: frozenset[int] = frozenset()) -> None:
        self.good = good
        self.shown: list[tuple[set[int], set[int]]] = []

    def right(self, learned: NDArray[np.int64], tested: NDArray[np.int64]) -> NDArray[np.bool_]:
        self.shown.append((set(learned.tolist()), set(tested.tolist())))
        return np.full(len(tested), bool(self.good & set(learned.tolist())))


def batches(count: int, selected: int = 8, draws: int = 2) -> list[BatchRows]:
    size = selected + draws
    rows = np.arange(count * size).reshape(count, size)
    return [BatchRows(row[:selected], row[selected:]) for row in rows]


@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_the_interval_is_wrong_at_any_round_in_few_runs(mean: float) -> None:
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(RUNS):
        numbers = np.where(rng.random(100) < (1 + mean) / 2, 1.0, -1.0)
        ends = [interval(numbers[:size]) for size in range(10, 101, 10)]
        wrong += any(not low <= mean <= high for low, high in ends)
    assert wrong <= 0.1 * RUNS + 3 * (RUNS * 0.09) ** 0.5
    # One that holds for a fixed number only would be wrong in many more.


def test_a_difference_is_seen_and_its_sign_is_right() -> None:
    behind, ahead = np.full(60, -0.4), np.full(60, 0.4)
    assert interval(behind)[1] < 0 < interval(ahead)[0]
    assert interval(np.zeros(60))[0] < 0 < interval(np.zeros(60))[1]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_ends_change_places_with_the_sign(numbers: list[float]) -> None:
    values = np.array(numbers)
    low, high = interval(values)
    assert interval(-values) == (-high, -low)
    assert -1 <= low <= high <= 1


def test_thousands_of_draws_are_no_overflow() -> None:
    assert interval(np.full(3000, 1.0))[0] > 0.9


def test_heads_learn_only_from_what_came_before() -> None:
    some = batches(20)
    spy = Spy()
    differences(spy, some, 0)
    assert spy.shown
    assert all(max(learned) < min(tested) for learned, tested in spy.shown)
    drawn = {row for batch in some for row in batch.draws.tolist()}
    assert all(tested <= drawn for _, tested in spy.shown)
    for learned, _ in spy.shown:  # as many of either kind, and never both
        assert len(learned) >= LEAST
        assert learned <= drawn or not learned & drawn


def test_later_batches_change_no_difference() -> None:
    some, spy = batches(20), Spy(frozenset({3, 18, 47, 80}))
    whole = differences(spy, some, 7)
    for size in (8, 12, 19):
        part = differences(spy, some[:size], 7)
        assert np.array_equal(part, whole[: len(part)])


def test_each_draw_counts_once_and_the_first_ones_not() -> None:
    some = batches(30)
    told = differences(Spy(), some, 0)
    assert len(told) == 60 - LEAST


def test_what_chosen_texts_teach_is_ahead() -> None:
    some = batches(30)
    chosen = frozenset(row for batch in some for row in batch.selected.tolist())
    drawn = frozenset(row for batch in some for row in batch.draws.tolist())
    ahead, behind = (edge(Spy(good), some, 0) for good in (chosen, drawn))
    assert ahead is not None
    assert behind is not None
    assert ahead.low > 0
    assert behind.high < 0
    assert (ahead.mean, behind.mean, ahead.draws) == (1.0, -1.0, 60 - LEAST)


@pytest.mark.parametrize("some", [[], batches(1), batches(3)])
def test_nothing_is_said_before_there_is_enough(some: list[BatchRows]) -> None:
    assert edge(Spy(), some, 0) is None
