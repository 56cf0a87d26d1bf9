"""What `stopping.max_rounds` counts: rounds in which a model was measured, and no others."""

from __future__ import annotations

import pytest

from loopd.config import StoppingSection
from loopd.loop.verdict import labels_left, limit_reached, rules
from loopd.machine import State
from loopd.metrics_log.measured import TEST, Measured
from tests.loop.conftest import Bench, MakeBench, gold

pytestmark = pytest.mark.whatever_the_store


def never(_state: State) -> bool:
    return False


def answer_all(bench: Bench, cold: int) -> None:
    """So many batches get one class only, the others what is right."""
    for record_id in bench.people.open_records("ann"):
        right = gold(bench.tools.data.pool, record_id)
        bench.people.submit(record_id, "ann", "fruit" if bench.state.round < cold else right)


@pytest.mark.parametrize(("cold", "most"), [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (3, 2)])
def test_batches_before_the_first_model_do_not_count(
    make_bench: MakeBench, cold: int, most: int
) -> None:
    bench = make_bench(stopping={"max_rounds": most})
    state = bench.run_until(never, lambda: answer_all(bench, cold))
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    assert (len(state.evaluated), len(state.batches)) == (most, most + cold)


@pytest.mark.parametrize("most", [1, 2])
def test_a_run_that_never_has_a_model_asks_all_its_texts(make_bench: MakeBench, most: int) -> None:
    bench = make_bench(size=15, stopping={"max_rounds": most})
    state = bench.run_until(never, lambda: answer_all(bench, 99))
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    assert len(state.planned_ids) == 15
    assert not state.evaluated


def test_a_label_budget_ends_it_without_a_model(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"label_budget": 10, "max_rounds": 9})
    state = bench.run_until(never, lambda: answer_all(bench, 99))
    assert state.stopped is not None
    assert state.stopped.reason == "label_budget"


def test_the_border(make_bench: MakeBench) -> None:
    section = make_bench(stopping={"max_rounds": 3}).tools.config.stopping
    assert limit_reached(section, labels=0, rounds=2) is None
    assert limit_reached(section, labels=0, rounds=3) == "max_rounds"


def on_test_set(value: float) -> Measured:
    return Measured("accuracy", value, None, None, TEST, 100)


def test_the_borders_of_budget_and_target() -> None:
    section = StoppingSection(label_budget=100, target_accuracy=0.9)
    assert limit_reached(section, labels=99, rounds=9) is None
    assert limit_reached(section, labels=100, rounds=9) == "label_budget"
    stops = [
        rules(section, labels=0, rounds=0, accuracy=on_test_set(value))["target_accuracy"]["stop"]
        for value in (0.89, 0.9, 0.91)
    ]
    assert stops == [False, True, True]
    assert [labels_left(section, labels, 30) for labels in (0, 70, 71, 99)] == [30, 30, 29, 1]
    assert labels_left(StoppingSection(), 99, 30) == 30
