"""Pieces come back in order, each once, whatever becomes of the workers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.compute.schedule import AHEAD, PieceOutcome, in_order
from loopd.errors import Interrupted, ModelError
from tests.compute.engines import UnreliableWorkers


def nothing() -> None:
    pass


@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 5))
def test_results_are_in_order(seed: int, count: int, size: int) -> None:
    workers = UnreliableWorkers(lambda number: number * number, seed, size, loss=0.3)
    found = list(in_order(workers, count, nothing))
    assert found == [number * number for number in range(count)]
    assert workers.abandoned


def test_a_piece_that_costs_every_worker_ends_the_work() -> None:
    workers = UnreliableWorkers(lambda number: number, loss=1.0, most=99)
    with pytest.raises(ModelError, match=r"4 workers .* its machine is gone"):
        list(in_order(workers, 5, nothing))
    assert workers.abandoned


def test_a_stop_is_noticed_while_nothing_comes_back() -> None:
    class Silent(UnreliableWorkers):
        def finished(self, seconds: float) -> list[PieceOutcome[int]]:
            return []

    calls = itertools.count()

    def interrupt() -> None:
        if next(calls) == 5:
            raise Interrupted("a stop was asked for")

    workers = Silent(lambda number: number)
    with pytest.raises(Interrupted):
        list(in_order(workers, 5, interrupt))
    assert workers.given == [0, 1, 2]
    assert workers.abandoned


def test_results_that_wait_for_the_first_are_few() -> None:
    class FirstIsSlow(UnreliableWorkers):
        def finished(self, seconds: float) -> list[PieceOutcome[int]]:
            done = [number for number in self._under_way if number or self.held > 200]
            self.held += 1
            self._under_way = [number for number in self._under_way if number not in done]
            return [PieceOutcome(number, number) for number in done]

        held = 0

    workers = FirstIsSlow(lambda number: number, size=2)
    results = in_order(workers, 100, nothing)
    assert next(results) == 0
    assert max(workers.given) < AHEAD * 2
    assert list(results) == list(range(1, 100))


def test_what_is_left_early_is_abandoned() -> None:
    workers = UnreliableWorkers(lambda number: number)
    results = in_order(workers, 5, nothing)
    next(results)
    results.close()  # type: ignore[attr-defined] # it is a generator
    assert workers.abandoned
