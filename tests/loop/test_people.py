"""What people really do, with real small-text: in memory and on a real embedded Argilla."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from loopd.annotation.consensus import targets
from loopd.errors import DatasetError, RunError, TransientError
from loopd.events import BatchCollected, BatchPlanned, ModelTrained
from loopd.loop import steps
from loopd.loop.start_or_resume import begin, same_run
from loopd.loop.tools import Tools
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.records import PoolId, published_as
from tests.loop.conftest import LABELS, Bench, MakeBench, gold, number


def never(_: State) -> bool:
    return False


def trained(number: int) -> Callable[[State], bool]:
    return lambda state: number in state.trained


def answer_all(bench: Bench, person: str = "ann") -> None:
    for record_id in bench.people.open_records(person):
        bench.people.submit(record_id, person, gold(bench.tools.data.pool, record_id))


@pytest.mark.left_to_others
def test_the_loop_learns_and_ends_by_itself(make_bench: MakeBench) -> None:
    bench = make_bench()
    state = bench.run_until(never, lambda: answer_all(bench))
    assert state.phase is Phase.DONE
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    rows = metrics_log.rows(state)
    assert [row["labels"] for row in rows] == [6, 12, 18]
    assert [row["batch_id"] for row in rows] == ["b0000", "b0001", "b0002"]
    low, accuracy, high = (
        number(rows[-1], key) for key in ("accuracy_low", "accuracy", "accuracy_high")
    )
    assert accuracy >= 0.9
    assert low < accuracy <= high <= 1


@pytest.mark.whatever_the_store
def test_no_record_is_published_twice(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 8})
    state = bench.run_until(never, lambda: answer_all(bench))
    ids = [record_id for batch in state.batches for record_id in batch.record_ids]
    assert len(ids) == len(set(ids)) == 48


@pytest.mark.whatever_the_store
def test_the_pool_may_run_out(make_bench: MakeBench) -> None:
    bench = make_bench(size=15, stopping={})
    state = bench.run_until(never, lambda: answer_all(bench))
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    assert len(targets(state)) == 15


def assert_aligned(make_bench: MakeBench, order: str) -> None:
    """Answers that arrive in this order give the labels, models and batches of query order."""
    bench = make_bench()

    def answer_two() -> None:
        open_ids = list(bench.people.open_records("ann"))
        if order == "reverse":
            open_ids.reverse()
        if order == "random":
            random.Random(bench.now[0]).shuffle(open_ids)
        for record_id in open_ids[:2]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(never, answer_two)
    pool = bench.tools.data.pool
    labels = steps._labels(state, bench.tools)
    assert labels == {record_id: gold(pool, record_id) for record_id in labels}
    reference = make_bench()
    expected = reference.run_until(never, lambda: answer_all(reference))
    assert labels == targets(expected)
    assert [event.model_id for event in state.trained.values()] == [
        event.model_id for event in expected.trained.values()
    ]
    assert [batch.record_ids for batch in state.batches] == [
        batch.record_ids for batch in expected.batches
    ]


@pytest.mark.whatever_the_store
@pytest.mark.parametrize(
    "order",
    [
        pytest.param("reverse", marks=pytest.mark.whatever_the_store),
        "random",
        pytest.param("as published", marks=pytest.mark.whatever_the_store),
    ],
)
def test_labels_meet_texts_by_id_whatever_the_order(make_bench: MakeBench, order: str) -> None:
    assert_aligned(make_bench, order)


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("order", ["reverse", "random"])
def test_the_alignment_test_notices_alignment_by_position(
    make_bench: MakeBench, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public tutorial's bug, planted: the n-th answer is put on the n-th record."""

    def by_position(state: State, tools: Tools) -> dict[str, str]:
        labels: dict[str, str] = {}
        for batch in state.batches:
            answers = [a for a in state.answers.values() if a.external_id in batch.external_ids]
            arrived = sorted(answers, key=lambda answer: answer.time)
            labels |= {
                record_id: str(answer.value)
                for record_id, answer in zip(batch.record_ids, arrived, strict=False)
            }
        return labels

    monkeypatch.setattr(steps, "_labels", by_position)
    with pytest.raises(AssertionError):
        assert_aligned(make_bench, order)


@pytest.mark.left_to_others
def test_a_discard_is_left_out_and_does_not_block(make_bench: MakeBench) -> None:
    bench = make_bench()

    def act() -> None:
        for place, record_id in enumerate(bench.people.open_records("ann")):
            if place < 2:
                bench.people.discard(record_id, "ann")
            else:
                bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(trained(1), act)
    assert state.trained[0].labels == 4
    assert state.trained[0].discarded == 2
    assert state.trained[1].labels == 8


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("cold_start", ["random_sampling", "facility_location"])
def test_a_batch_of_discards_asks_for_another(make_bench: MakeBench, cold_start: str) -> None:
    bench = make_bench(strategy={"cold_start": cold_start})

    def act() -> None:
        for record_id in bench.people.open_records("ann"):
            if len(bench.state.batches) == 1:
                bench.people.discard(record_id, "ann")
            else:
                answer_all(bench)

    state = bench.run_until(trained(1), act)
    assert state.batches[0].strategy == state.batches[1].strategy == cold_start
    assert state.trained[1].labels == 6


@pytest.mark.whatever_the_store
def test_a_first_batch_with_one_class_only_is_not_fatal(make_bench: MakeBench) -> None:
    bench = make_bench()

    def act() -> None:
        for record_id in bench.people.open_records("ann"):
            first = len(bench.state.batches) == 1
            bench.people.submit(
                record_id, "ann", "fruit" if first else gold(bench.tools.data.pool, record_id)
            )

    state = bench.run_until(lambda state: bool(state.evaluated), act)
    assert state.phase is Phase.DECIDE
    assert metrics_log.rows(state)[0]["labels"] == 12


@pytest.mark.whatever_the_store
def test_edits_and_late_answers_count_in_the_next_round(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run_until(trained(0), lambda: answer_all(bench))
    record_id = bench.state.batches[0].record_ids[0]
    before = targets(bench.state)[record_id]
    other = "tool" if before == "fruit" else "fruit"
    bench.people.submit(record_id, "ann", other)
    assert targets(bench.state)[record_id] == before
    bench.run_until(trained(1), lambda: answer_all(bench))
    assert targets(bench.state)[record_id] == other


@pytest.mark.whatever_the_store
def test_a_withdrawn_answer_leaves_the_training_set(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run_until(trained(0), lambda: answer_all(bench))
    record_id = bench.state.batches[0].record_ids[0]
    bench.people.withdraw(record_id, "ann")

    def act() -> None:
        for open_id in bench.people.open_records("ann"):
            if open_id != record_id or len(bench.people.open_records("ann")) == 1:
                bench.people.submit(open_id, "ann", gold(bench.tools.data.pool, open_id))
                return

    bench.run_until(lambda state: record_id not in targets(state), act)
    assert bench.state.phase is Phase.COLLECT
    bench.run_until(trained(1), act)
    assert targets(bench.state)[record_id] == gold(bench.tools.data.pool, record_id)


@pytest.mark.whatever_the_store
def test_a_second_opinion_is_kept_and_the_majority_counts(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run_until(trained(0), lambda: answer_all(bench))
    record_id = bench.state.batches[0].record_ids[0]
    right = gold(bench.tools.data.pool, record_id)
    wrong = "tool" if right == "fruit" else "fruit"
    bench.people.submit(record_id, "bob", wrong)
    bench.people.submit(record_id, "cyd", wrong)
    bench.run_until(trained(1), lambda: answer_all(bench))
    assert targets(bench.state)[record_id] == wrong
    people = {person for known, person in bench.state.answers if known == published_as(record_id)}
    assert people == {bench.people.ids[name] for name in ("ann", "bob", "cyd")}


def test_a_deleted_record_is_skipped(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    gone = bench.state.batch.external_ids[2]
    bench.people.delete(gone)
    bench.run_until(trained(0), lambda: answer_all(bench))
    assert gone in bench.state.deleted
    assert bench.state.trained[0].labels == 5
    bench.run_until(trained(2), lambda: answer_all(bench))
    assert gone not in bench.people.open_records("nobody")


def test_an_unknown_label_is_skipped_and_does_not_block(make_bench: MakeBench) -> None:
    bench = make_bench(offered=(*LABELS, "zebra"))

    def act() -> None:
        for place, record_id in enumerate(bench.people.open_records("ann")):
            value = "zebra" if place == 0 else gold(bench.tools.data.pool, record_id)
            bench.people.submit(record_id, "ann", value)

    state = bench.run_until(trained(0), act)
    assert state.trained[0].labels == 5
    assert "zebra" not in targets(state).values()


def test_an_emptied_dataset_ends_the_loop_and_keeps_the_answers(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run_until(trained(0), lambda: answer_all(bench))
    known = targets(bench.state)

    def act() -> None:
        for record_id in bench.people.open_records("nobody"):
            bench.people.delete(record_id)

    with pytest.raises(DatasetError, match="emptied"):
        bench.run_until(trained(1), act)
    assert targets(bench.state) == known


@pytest.mark.whatever_the_store
def test_a_partial_batch_is_used_after_the_patience(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "patience": 10})

    def act() -> None:
        for record_id in bench.state.batch.record_ids[:4]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(trained(0), act)
    assert state.trained[0].labels == 4
    closing = next(event for event in bench.events if isinstance(event, BatchCollected))
    assert (closing.reason, closing.open_records) == ("patience", 2)
    assert closing.at - state.published[0].at >= 10
    bench.run_until(trained(1), act)
    assert not set(state.batches[0].record_ids) & set(bench.state.batches[1].record_ids)


@pytest.mark.whatever_the_store
def test_patience_waits_for_a_label_of_this_batch(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "patience": 10})
    bench.run_until(lambda state: len(state.published) == 2, lambda: answer_all(bench))
    with pytest.raises(RuntimeError, match="does not get on"):
        bench.run_until(trained(1), lambda: None, steps=60)


@pytest.mark.whatever_the_store
def test_an_answer_to_a_closed_batch_counts_in_the_next_round(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "patience": 10})
    late = ""

    def act() -> None:
        nonlocal late
        first = bench.state.batches[0].record_ids
        late = first[-1]
        for record_id in bench.people.open_records("ann"):
            if record_id != late or len(bench.state.batches) > 1:
                bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(trained(0), act)
    assert late not in targets(state)
    state = bench.run_until(trained(1), act)
    assert targets(state)[PoolId(late)] == gold(bench.tools.data.pool, late)
    assert state.trained[1].labels == 12


@pytest.mark.whatever_the_store
def test_a_low_watermark_publishes_the_next_batch_early(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "low_watermark": 2})

    def act() -> None:
        for record_id in bench.people.open_records("ann")[:1]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(lambda state: len(state.published) == 3, act)
    assert [state.collected[number].reason for number in (0, 1)] == ["watermark", "watermark"]
    assert state.collected[0].open_records == 2
    ids = [record_id for batch in state.batches for record_id in batch.record_ids]
    assert len(ids) == len(set(ids)) == 18


@pytest.mark.whatever_the_store
def test_what_is_left_of_a_batch_is_ranked_anew(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 10, "low_watermark": 5})

    def act() -> None:
        for record_id in bench.people.open_records("ann")[:1]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(lambda state: len(state.published) == 2, act)
    (left,) = state.planned[1].refreshed
    open_now = set(state.batches[0].record_ids) - {id_ for id_, _ in state.answers}
    assert (left.id, left.round, left.model_id) == ("b0000", 0, state.trained[0].model_id)
    assert set(left.record_ids) == open_now
    assert len(open_now) == 5
    scores = [item.suggestion.score for item in left.items if item.suggestion is not None]
    assert scores == sorted(scores)
    assert len(set(scores)) > 1
    assert [bench.people.suggestion(item.record_id) for item in left.items] == [
        item.suggestion for item in left.items
    ]
    assert fold(bench.events) == state


@pytest.mark.whatever_the_store
def test_a_watermark_above_a_small_batch_waits_for_somebody(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 8, "first_batch_size": 3, "low_watermark": 5})
    with pytest.raises(RuntimeError, match="does not get on"):
        bench.run_until(lambda state: len(state.batches) == 2, lambda: None, steps=60)


@pytest.mark.whatever_the_store
def test_no_answer_is_lost_when_the_pool_runs_out(make_bench: MakeBench) -> None:
    bench = make_bench(size=15, queue={"batch_size": 10, "low_watermark": 5}, stopping={})

    def act() -> None:
        for record_id in bench.people.open_records("ann")[:1]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(never, act)
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    assert len(targets(state)) == 15


@pytest.mark.left_to_others
def test_two_answers_for_each_record(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "min_submitted": 2})

    def act() -> None:
        open_to_ann = bench.people.open_records("ann")
        if open_to_ann:
            answer_all(bench, "ann")
        elif bench.people.open_records("bob"):
            for place, record_id in enumerate(bench.people.open_records("bob")):
                if place == 0:
                    bench.people.discard(record_id, "bob")
                else:
                    right = gold(bench.tools.data.pool, record_id)
                    bench.people.submit(record_id, "bob", right)

    bench.run_until(lambda state: len(targets(state)) == 6, act)
    assert bench.state.phase is Phase.COLLECT
    state = bench.run_until(trained(0), act)
    assert state.trained[0].labels == 6
    assert {answer.status.value for answer in state.answers.values()} == {"submitted", "discarded"}


@pytest.mark.whatever_the_store
def test_a_tie_goes_to_the_answer_that_was_there_first(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "min_submitted": 2})
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    record_id = bench.state.batch.record_ids[0]
    for person, value in (("ann", "fruit"), ("bob", "tool"), ("ann", "tool"), ("ann", "fruit")):
        bench.people.submit(record_id, person, value)
    bench.run_until(lambda state: record_id in targets(state), lambda: None)
    assert targets(bench.state)[record_id] == "fruit"


@pytest.mark.whatever_the_store
def test_a_criterion_ends_the_loop_only_when_it_may(make_bench: MakeBench) -> None:
    criterion = {"name": "max_iterations", "options": {"max_iterations": 1}}
    free = make_bench(stopping={"criteria": [criterion], "max_rounds": 4})
    state = free.run_until(never, lambda: answer_all(free))
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    flags = [row["stop.max_iterations.stop"] for row in metrics_log.rows(state)]
    bound = make_bench(
        stopping={"criteria": [{**criterion, "stop": True}], "patience": 2, "max_rounds": 9}
    )
    state = bound.run_until(never, lambda: answer_all(bound))
    assert state.stopped is not None
    assert state.stopped.reason == "max_iterations"
    assert len(state.evaluated) == flags.index(True) + 2


@pytest.mark.whatever_the_store
def test_one_kind_of_label_for_ever_ends_at_the_budget(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"label_budget": 10})

    def act() -> None:
        for record_id in bench.people.open_records("ann"):
            bench.people.submit(record_id, "ann", "fruit")

    state = bench.run_until(never, act)
    assert state.stopped is not None
    assert state.stopped.reason == "label_budget"
    assert len(targets(state)) == 10


def _go_on(bench: Bench, **stopping: object) -> None:
    """Start again with another stopping section."""
    section = bench.tools.config.stopping.model_copy(update=stopping)
    config = bench.tools.config.model_copy(update={"stopping": section})
    object.__setattr__(bench.tools, "config", config)
    event = begin(bench.state, bench.tools, bench.dataset_id)
    assert event is not None
    bench.state = bench.loop.record(bench.state, event)


@pytest.mark.whatever_the_store
def test_a_run_that_ended_without_a_model_may_go_on(make_bench: MakeBench) -> None:
    bench = make_bench(size=10, stopping={})

    def act() -> None:
        for record_id in bench.people.open_records("ann"):
            bench.people.submit(record_id, "ann", "fruit")

    state = bench.run_until(never, act)
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    for record_id in state.batches[0].record_ids[:3]:
        bench.people.submit(record_id, "ann", "tool")
    _go_on(bench, max_rounds=9)
    bench.now[0] += 100
    state = bench.run_until(never, act)
    assert len(state.evaluated) == 1


@pytest.mark.whatever_the_store
def test_a_raised_target_is_the_one_that_counts(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"target_accuracy": 0.1, "patience": 1, "max_rounds": 5})
    state = bench.run_until(never, lambda: answer_all(bench))
    assert len(state.evaluated) == 1
    _go_on(bench, target_accuracy=1.0, patience=5)
    state = bench.run_until(never, lambda: answer_all(bench))
    assert len(state.evaluated) == 5


@pytest.mark.whatever_the_store
def test_the_label_budget_is_met_exactly(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"label_budget": 15})
    state = bench.run_until(never, lambda: answer_all(bench))
    assert state.stopped is not None
    assert state.stopped.reason == "label_budget"
    assert len(targets(state)) == 15


@pytest.mark.whatever_the_store
def test_accuracy_must_hold_for_the_patience(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"target_accuracy": 0.9, "patience": 2})
    state = bench.run_until(never, lambda: answer_all(bench))
    assert state.stopped is not None
    assert state.stopped.reason == "target_accuracy"
    flags = [row["stop.target_accuracy.stop"] for row in metrics_log.rows(state)]
    assert flags[-2:] == [True, True]
    assert flags[-3:-2] != [True]


@pytest.mark.whatever_the_store
def test_a_finished_run_goes_on_with_a_larger_budget(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 2})
    bench.run_until(never, lambda: answer_all(bench))
    _go_on(bench, max_rounds=3)
    state = bench.run_until(never, lambda: answer_all(bench))
    assert len(state.evaluated) == 3


@pytest.mark.whatever_the_store
def test_another_pool_is_refused(make_bench: MakeBench) -> None:
    bench = make_bench()
    other = make_bench(size=59)
    with pytest.raises(RunError, match="the pool changed"):
        same_run(bench.state, other.tools)


@pytest.mark.whatever_the_store
def test_replaying_the_events_gives_the_same_state(make_bench: MakeBench) -> None:
    bench = make_bench()
    state = bench.run_until(never, lambda: answer_all(bench))
    assert fold(bench.events) == state


@pytest.mark.whatever_the_store
def test_suggestions_can_be_switched_off(make_bench: MakeBench) -> None:
    for wanted in (True, False):
        bench = make_bench(queue={"batch_size": 6, "suggestions": wanted})
        state = bench.run_until(lambda state: len(state.batches) == 2, partial(answer_all, bench))
        assert all((item.suggestion is not None) is wanted for item in state.batches[1].items)


def test_a_transient_failure_is_waited_out(make_bench: MakeBench) -> None:
    bench = make_bench(argilla={"max_backoff": 0.01})
    failures = iter([True, True, True, False])

    def flaky() -> str:
        if next(failures):
            raise TransientError("down")
        return "up"

    assert bench.loop.patiently(flaky) == "up"


@pytest.mark.whatever_the_store
def test_before_each_rest_there_is_time_for_what_waits_for_argilla(make_bench: MakeBench) -> None:
    bench = make_bench()
    rests: list[State] = []

    def before_rest() -> None:
        rests.append(bench.state)
        bench.stop.set()

    loop = replace(bench.loop, before_rest=before_rest)
    assert loop.run(bench.state).phase is Phase.COLLECT
    assert len(rests) == 1


@pytest.mark.whatever_the_store
def test_two_loops_do_not_knock_together(make_bench: MakeBench) -> None:
    """Whatever the seeds of their runs."""

    def waits() -> tuple[float, ...]:
        bench, found = make_bench(), []

        def wait(seconds: float) -> bool:
            found.append(seconds)
            return len(found) == 3

        def down() -> str:
            raise TransientError("down")

        bench.stop.wait = wait  # type: ignore[method-assign, assignment]
        assert bench.loop.patiently(down) is None
        return tuple(found)

    assert waits() != waits()


def test_a_stop_ends_the_waiting(make_bench: MakeBench) -> None:
    bench = make_bench(argilla={"max_backoff": 60})

    def down() -> str:
        bench.stop.set()
        raise TransientError("down")

    assert bench.loop.patiently(down) is None


@pytest.mark.whatever_the_store
def test_giving_up_after_the_configured_outage(make_bench: MakeBench) -> None:
    bench = make_bench(argilla={"max_backoff": 0.01, "give_up_after": 5})

    def down() -> str:
        bench.now[0] += 2
        raise TransientError("down")

    with pytest.raises(TransientError):
        bench.loop.patiently(down)


@pytest.mark.whatever_the_store
def test_a_batch_is_planned_before_it_is_published(make_bench: MakeBench) -> None:
    bench = make_bench()
    state = bench.run_until(lambda state: state.phase is Phase.PUBLISH, lambda: None)
    assert bench.people.open_records("ann") == ()
    assert isinstance(bench.events[-1], BatchPlanned)
    assert not any(isinstance(event, ModelTrained) for event in bench.events)
    assert state.batch.items


def test_drafts_and_null_discards_on_argilla(make_bench: MakeBench, place: str) -> None:
    if place == "memory":
        pytest.skip("the memory store has no drafts")
    bench = make_bench()
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    first, second, *rest = bench.state.batch.record_ids
    bench.people.draft(first, "ann", "fruit")
    bench.people.discard_null(second, "ann")
    for record_id in rest:
        bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))
    with pytest.raises(RuntimeError, match="does not get on"):
        bench.run_until(trained(0), lambda: None, steps=60)
    assert first not in targets(bench.state)
    bench.people.submit(first, "ann", gold(bench.tools.data.pool, first))
    state = bench.run_until(trained(0), lambda: None)
    assert state.trained[0].labels == 5
    assert state.trained[0].discarded == 1
