"""The opening: a few records go out at once, the rest while they are labelled."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.config_file import parse_config
from loopd.learning.strategies.registry import RANDOM
from loopd.loop.opening import SMALL, is_opening, opening_size
from loopd.machine import State
from tests.loop.conftest import Bench, MakeBench, gold
from tests.loop.test_rounds import answer_all, never

pytestmark = pytest.mark.whatever_the_store  # tests/starting/test_start.py has one on Argilla

BIG = SMALL + 10


def nobody() -> None:
    raise AssertionError("the loop waits for people before the first batch is out")


def two_batches(state: State) -> bool:
    return len(state.published) == 2


@pytest.mark.parametrize(
    ("queue", "stopping", "sizes"),
    [
        ({"batch_size": 6, "opening_size": 2}, {}, [2, 4]),
        ({"batch_size": 6, "first_batch_size": 9, "opening_size": 4}, {}, [4, 5]),
        ({"batch_size": 6, "opening_size": 50}, {}, [5, 1]),
        ({"batch_size": 12, "opening_size": 8}, {"label_budget": 10}, [8, 2]),
        ({"batch_size": 12, "opening_size": 50}, {"label_budget": 10}, [9, 1]),
    ],
)
def test_both_parts_are_out_before_anybody_has_answered(
    make_bench: MakeBench, queue: dict[str, Any], stopping: dict[str, Any], sizes: list[int]
) -> None:
    bench = make_bench(BIG, queue=queue, stopping=stopping)
    state = bench.run_until(two_batches, nobody)
    assert [len(batch.items) for batch in state.batches] == sizes
    assert state.batches[0].strategy == RANDOM
    assert state.collected[0].reason == "opening"
    assert len(state.planned_ids) == sum(sizes)
    assert len(bench.people.open_records("ann")) == sum(sizes)


def test_the_answers_of_both_parts_train_the_first_model(make_bench: MakeBench) -> None:
    bench = make_bench(BIG, queue={"batch_size": 6, "opening_size": 2})
    state = bench.run_until(never, lambda: answer_all(bench, 0))
    trained = [state.trained[number].labels for number in sorted(state.trained)]
    assert trained == [6, 12, 18]
    assert len(state.evaluated) == 3


def test_who_labels_the_opening_before_the_rest_is_chosen_loses_nothing(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(BIG, queue={"batch_size": 6, "opening_size": 4})
    state = bench.run_until(lambda state: len(state.published) == 1, nobody)
    answer_right(bench)
    state = bench.run_until(lambda state: len(state.published) == 2, nobody)
    assert state.batches[1].model_id is None, "the rest of the first batch is chosen without one"
    assert len(state.batches[1].items) == 2
    assert len(state.answers) == 4


def test_an_opening_that_is_labelled_at_once_is_no_round(make_bench: MakeBench) -> None:
    bench = make_bench(BIG, queue={"batch_size": 6, "opening_size": 4}, stopping={"max_rounds": 1})
    bench.run_until(lambda state: len(state.published) == 1, nobody)
    answer_right(bench)
    state = bench.run_until(never, lambda: answer_right(bench))
    assert (len(state.batches), state.trained[1].labels) == (2, 6)


def test_an_opening_counts_towards_the_budget(make_bench: MakeBench) -> None:
    given = {f"r{number:03d}": (("ann", "fruit"),) for number in range(0, 10, 2)}
    bench = make_bench(
        BIG,
        answers=given,
        queue={"batch_size": 10, "opening_size": 4},
        stopping={"label_budget": 10},
    )
    state = bench.run_until(two_batches, nobody)
    assert sum(len(batch.items) for batch in state.batches) == 5


def test_an_opening_that_is_configured_later_closes_no_whole_batch(make_bench: MakeBench) -> None:
    whole = make_bench(BIG, queue={"batch_size": 6})
    state = whole.run_until(lambda state: len(state.published) == 1, nobody)
    later = whole.tools.config.model_copy(
        update={"queue": whole.tools.config.queue.model_copy(update={"opening_size": 2})}
    )
    assert not is_opening(state, later, BIG)


def answer_right(bench: Bench) -> None:
    for record_id in bench.people.open_records("ann"):
        bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))


@pytest.mark.parametrize(
    ("size", "sections"),
    [
        (BIG, {"queue": {"batch_size": 6}}),
        (BIG, {"queue": {"batch_size": 1, "opening_size": 3}}),
        (BIG, {"strategy": {"cold_start": RANDOM}, "queue": {"batch_size": 6, "opening_size": 3}}),
        (SMALL - 1, {"queue": {"batch_size": 6, "opening_size": 3}}),
        (3, {"queue": {"batch_size": 6, "opening_size": 3}}),
    ],
    ids=["unset", "one record", "at random", "small pool", "tiny pool"],
)
def test_elsewhere_the_first_batch_goes_out_whole_and_waits(
    make_bench: MakeBench, size: int, sections: dict[str, Any]
) -> None:
    bench = make_bench(size, **sections)
    waits: list[int] = []

    def wait() -> None:
        waits.append(1)
        answer_right(bench)

    state = bench.run_until(lambda state: 0 in state.collected, wait)
    assert waits
    assert state.collected[0].reason == "complete"
    assert len(state.batches[0].items) == min(size, sections["queue"]["batch_size"])


def test_an_opening_that_takes_the_whole_pool_is_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(SMALL + 5, queue={"batch_size": 300, "opening_size": 250})
    state = bench.run_until(never, lambda: answer_right(bench))
    assert state.collected[0].reason == "complete"
    assert state.trained[0].labels == SMALL + 5


def test_a_run_of_an_earlier_version_is_the_same_run(make_bench: MakeBench) -> None:
    base = {"task": {"labels": ["a", "b"]}, "pool": {"path": "p.csv"}}
    folder = make_bench().tools.config.folder
    with_it = parse_config({**base, "queue": {"opening_size": 5}}, folder)
    without = parse_config(base, folder)
    assert parse_config({**base, "queue": {"opening_size": None}}, folder).digest() == (
        without.digest()
    )
    assert with_it.digest() != without.digest()
    assert opening_size(with_it, BIG) == 5
