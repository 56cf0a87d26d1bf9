"""When the next batch is begun, and how long people waited: states made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from loopd.annotation.store import Sweep
from loopd.config import QueueSection, RelabelSection, StoppingSection, StrategySection
from loopd.events import BatchCollected, BatchPlanned, BatchPublished, ModelTrained, RoundEvaluated
from loopd.loop.answer_times import moment
from loopd.loop.batch_closing import reason_to_close
from loopd.loop.collecting import changes
from loopd.loop.queue import (
    BATCHES_OUT,
    LARGEST_BATCH,
    lasting,
    paces,
    queue_need,
    runs_low,
    turnaround,
)
from loopd.loop.waiting_figures import figures, waited
from loopd.machine import Phase, State, apply
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, JsonValue, PoolId

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
ZERO = moment(BEGIN.isoformat())


def at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def given(record_id: str, person: str, seconds: float) -> Answer:
    return Answer(ExternalId(record_id), person, AnswerStatus.SUBMITTED, "a", at(seconds))


def make_state(
    batches: Sequence[Sequence[str]],
    answers: list[Answer],
    *,
    step: float = 4.0,
    gap: float = 100.0,
) -> State:
    """Batches that were published ``gap`` seconds apart; all but the last are evaluated.

    Each of the five steps of a round takes ``step`` seconds.
    """
    whole = range(len(batches))
    past = whole[:-1]
    planned = tuple(
        Batch(f"b{n}", n, "x", None, tuple(BatchItem(PoolId(id_)) for id_ in ids))
        for n, ids in enumerate(batches)
    )
    return State(
        config_digest="d",
        batches=planned,
        answers={(answer.external_id, answer.annotator): answer for answer in answers},
        planned={n: BatchPlanned(0.0, planned[n], step) for n in whole},
        published={n: BatchPublished(ZERO + gap * n, f"b{n}", step) for n in whole},
        collected={
            n: BatchCollected(ZERO + gap * n + 50, f"b{n}", "complete", 0, {}) for n in past
        },
        trained={n: ModelTrained(0.0, n, "m", 1, 0, {}, step) for n in past},
        evaluated={n: RoundEvaluated(0.0, n, {}, {}, "", "d", step, step) for n in past},
    )


def ids(prefix: str, count: int) -> list[ExternalId]:
    return [ExternalId(f"{prefix}{n}") for n in range(count)]


def steady(prefix: str, person: str, count: int, every: float, start: float = 0.0) -> list[Answer]:
    return [given(f"{prefix}{n}", person, start + every * n) for n in range(count)]


def test_the_turnaround_is_that_of_the_slowest_of_the_last_rounds() -> None:
    assert turnaround(make_state([["a"]], [])) is None
    assert turnaround(make_state([["a"], ["b"]], [])) == 20.0
    state = make_state([[name] for name in "abcde"], [])
    slow = {1: ModelTrained(0.0, 1, "m", 1, 0, {}, 40.0)}
    older = {0: ModelTrained(0.0, 0, "m", 1, 0, {}, 1000.0)}
    assert turnaround(replace(state, trained={**state.trained, **slow, **older})) == 56.0


@pytest.mark.parametrize(("labels", "seconds"), [(40, 420.0), (60, 20.0)])
def test_a_comparison_of_classifiers_counts_when_another_is_due(
    labels: int, seconds: float
) -> None:
    state = make_state([[name] for name in "abcdefg"], [])
    trained = {
        n: replace(event, labels=61, classifier="transformer") for n, event in state.trained.items()
    }
    told: dict[str, JsonValue] = {"labels": labels, "next": "transformer"}
    slow = replace(state.evaluated[1], seconds=404.0, classifiers=told)
    evaluated = {**state.evaluated, 1: slow}
    compared = replace(state, trained=trained, evaluated=evaluated)
    assert turnaround(compared) == seconds


@pytest.mark.parametrize(
    ("classifier", "labels", "metrics", "seconds", "size"),
    [
        ("transformer", 28, {}, 40.0, 120),  # five more trainings
        ("transformer", 25, {}, 20.0, 120),  # too few labels until the next batch is out
        ("", 28, {}, 20.0, 60),  # the configuration names a classifier
        ("transformer", 28, {"cross.accuracy": 0.5}, 20.0, 60),  # they are trained anyway
    ],
)
def test_the_first_comparison_of_classifiers_is_foreseen(
    classifier: str, labels: int, metrics: dict[str, JsonValue], seconds: float, size: int
) -> None:
    answers = steady("r", "ann", 20, 0.5)
    state = make_state([["a"], ["b"], ["c"], ["d"], ids("r", 2)], answers)
    trained = {
        n: replace(event, labels=labels, classifier=classifier)
        for n, event in state.trained.items()
    }
    evaluated = {n: replace(event, metrics=metrics) for n, event in state.evaluated.items()}
    soon = replace(state, trained=trained, evaluated=evaluated)
    assert turnaround(soon) == seconds
    assert lasting(soon, 1, 1) == size


def test_the_turnaround_of_a_round_whose_batch_is_not_out_yet() -> None:
    state = make_state([["a"], ["b"]], [])
    unpublished = replace(state, published={0: state.published[0]})
    assert turnaround(unpublished) == 20.0
    assert turnaround(replace(unpublished, planned={})) is None  # recovered


def test_waiting_for_a_batch_is_no_slowness() -> None:
    # Five answers, half a minute without a record, five more: 4 s each all the same.
    ann = steady("a", "ann", 5, 4.0) + steady("b", "ann", 5, 4.0, start=46.0)
    found = paces(make_state([ids("a", 5), ids("b", 5)], ann, gap=44.0))
    assert found == {"ann": pytest.approx(0.25)}


def test_pace_without_pauses_and_without_who_went_home() -> None:
    ann = steady("a", "ann", 10, 4.0) + steady("b", "ann", 10, 4.0, start=400.0)
    bob = steady("c", "bob", 5, 2.0, start=-4000.0)
    found = paces(make_state([ids("a", 10)], [*ann, *bob]))
    assert found == {"ann": pytest.approx(0.25)}
    new = given("d0", "cy", 430.0)
    assert paces(make_state([ids("a", 10)], [*ann, new]))["cy"] == pytest.approx(0.25)


def test_bulk_labelling_is_as_fast_as_its_clicks() -> None:
    """Twenty answers in one moment, every two minutes: not five a second."""
    clicks = [
        given(f"a{20 * click + n}", "ann", 120.0 * click + 0.002 * n)
        for click in range(5)
        for n in range(20)
    ]
    paced = paces(make_state([ids("a", 100)], clicks))
    assert 20 / 120 < paced["ann"] < 2 * 20 / 120


def test_a_hard_text_among_easy_ones_is_work() -> None:
    moments = [0.0]
    for n in range(30):
        moments.append(moments[-1] + (20.0 if n % 5 < 2 else 1.0))
    answers = [given(f"a{n}", "ann", moment) for n, moment in enumerate(moments)]
    paced = paces(make_state([ids("a", 40)], answers, gap=10_000.0))
    assert paced["ann"] == pytest.approx(30 / moments[-1])


def test_who_has_left_argilla_is_not_at_work() -> None:
    answers = [*steady("a", "ann", 10, 4.0), *steady("b", "bob", 10, 2.0)]
    state = make_state([ids("a", 10)], answers)
    assert paces(state).keys() == {"ann", "bob"}
    assert paces(replace(state, departed=frozenset({"bob"}))) == {"ann": pytest.approx(0.25)}
    assert paces(replace(state, departed=frozenset({"ann", "bob"}))) == {}


def test_a_script_is_not_faster_than_five_answers_a_second() -> None:
    assert paces(make_state([["a"]], steady("a", "ann", 10, 0.0))) == {"ann": pytest.approx(5.0)}


def test_the_next_batch_is_begun_when_people_would_run_out() -> None:
    """20 s with a margin of a half, and 3 s of polling, at 0.25 a second: 8.25, so 9 records."""
    batch = ids("r", 40)
    state = make_state([["a"], batch], steady("r", "ann", 20, 4.0))
    assert not runs_low(state, frozenset(batch[-10:]), 1, 3.0)
    assert runs_low(state, frozenset(batch[-9:]), 1, 3.0)


def test_nothing_is_begun_early_before_a_round_was_measured() -> None:
    state = make_state([ids("r", 20)], steady("r", "ann", 19, 4.0))
    assert not runs_low(state, frozenset({ExternalId("r19")}), 1, 3.0)


def test_with_two_answers_each_the_faster_person_decides() -> None:
    batch = ids("r", 40)
    fast = steady("r", "ann", 32, 2.0)
    slow = steady("r", "bob", 7, 8.0)
    state = make_state([["a"], batch], [*fast, *slow])
    open_now = frozenset(batch[7:])  # bob has 33 left, ann has 8
    assert runs_low(state, open_now, 2, 3.0)
    alone = make_state([["a"], batch], slow)
    assert not runs_low(alone, open_now, 2, 3.0)


def test_a_second_opinion_is_no_work_for_who_has_answered_unless_it_may_be() -> None:
    texts = ids("r", 20)
    copies = frozenset(ExternalId(f"{id_}#2") for id_ in texts)
    state = make_state([["a"], texts], steady("r", "ann", 20, 4.0))
    items = tuple(
        BatchItem(PoolId(id_), copy_id=copy_id)
        for id_ in texts
        for copy_id in (None, ExternalId(f"{id_}#2"))
    )
    state = replace(state, batches=(*state.batches[:-1], replace(state.batches[-1], items=items)))
    assert runs_low(state, copies, 1, 3.0), "ann may answer none of them"
    assert not runs_low(state, copies, 1, 3.0, another_person=False)


def test_a_batch_lasts_until_the_one_after_it() -> None:
    quick = make_state([["a"], ids("r", 40)], steady("r", "ann", 20, 0.5))
    assert lasting(quick, 1, 40) == 60  # 2 a second for 30 seconds
    assert lasting(quick, 1, 10) == 60
    swarm = [answer for n in range(30) for answer in steady("r", f"p{n}", 20, 0.2)]
    assert lasting(make_state([["a"], ids("r", 40)], swarm), 1, 10) == LARGEST_BATCH
    assert lasting(make_state([["a"]], []), 1, 10) == 10


@pytest.mark.parametrize(("people", "size"), [(0, 10), (1, 10), (8, 30)])
def test_a_crowd_of_which_each_person_answers_once_sizes_the_next_batch(
    people: int, size: int
) -> None:
    """Eight answers in 7 seconds: 30 in 30; nobody, and who is alone, has no rate."""
    last = ids("r", people or 1)
    answers = [given(id_, f"p{n}", float(n)) for n, id_ in enumerate(last[:people])]
    state = make_state([["a"], last], answers)
    closed = {**state.collected, 1: BatchCollected(ZERO + 150, "b1", "complete", 0, {})}
    assert lasting(replace(state, collected=closed), 1, 10) == size
    assert lasting(state, 1, 10) == 10, "the batch is open: there may be nobody else"


def test_the_slow_first_round_sizes_no_batch_after_the_second() -> None:
    state = make_state([["a"], ["b"], ids("r", 40)], steady("r", "ann", 20, 0.5))
    slow = {0: ModelTrained(0.0, 0, "m", 1, 0, {}, 400.0)}
    state = replace(state, trained={**state.trained, **slow})
    assert turnaround(state) == 416.0, "the next batch is begun early all the same"
    assert lasting(state, 1, 10) == 60


def test_what_has_to_be_open_is_said_within_what_can_be() -> None:
    swarm = [answer for n in range(300) for answer in steady("r", f"p{n}", 20, 1.0)]
    need = queue_need(make_state([["a"], ids("r", 40)], swarm, step=60.0), 1, 3.0)
    assert need is not None
    assert need.records == BATCHES_OUT * LARGEST_BATCH


def test_nothing_is_said_while_too_few_people_are_at_work_to_complete_a_record() -> None:
    state = make_state([["a"], ids("r", 40)], steady("r", "ann", 20, 0.5))
    assert queue_need(state, 1, 3.0) is not None
    assert queue_need(state, 2, 3.0) is None


def test_seconds_without_an_open_record() -> None:
    """Ann ends at 40 s and Bob at 45 s; the last record is Ann's, the batch comes at 100 s."""
    answers = [given("a0", "ann", 30.0), given("a1", "bob", 45.0), given("b0", "cy", 101.0)]
    state = make_state([["a0", "a1"], ["b0"]], answers)
    assert waited(state, 1) == {"ann": 55.0, "bob": 55.0, "cy": 55.0}
    assert waited(state, 2) == {"ann": 0.0, "bob": 0.0, "cy": 0.0}  # each may answer the other's
    more = [*answers, given("a1", "ann", 40.0)]
    assert waited(make_state([["a0", "a1"], ["b0"]], more), 2)["ann"] == 60.0
    left = make_state([["a0", "a1"], ["b0"]], answers[:1])
    assert waited(left, 1) == {"ann": 0.0}


def test_the_figures_of_the_metrics_log() -> None:
    answers = [given("a0", "ann", 30.0), given("a1", "ann", 70.0), given("b0", "ann", 110.0)]
    state = make_state([["a0", "a1"], ["b0"]], answers)
    first = BatchCollected(ZERO + 35, "b0", "watermark", 1, {"last_answer": ZERO + 30})
    found = figures(replace(state, collected={0: first}), 1)
    assert found == {
        "last_answer": ZERO + 110,
        "waiting.total": 30.0,
        "waiting.p50": 30.0,
        "waiting.p95": 30.0,
        "staleness": 1,  # a1 came while the batch was made
        "turnaround": 70.0,
    }
    assert figures(make_state([["a0"]], answers[:1]), 1) == {"last_answer": ZERO + 30}


def test_an_edit_while_a_batch_is_made_is_stale() -> None:
    answers = [given("a0", "ann", 10.0), given("a1", "ann", 30.0), given("b0", "ann", 110.0)]
    known = make_state([["a0", "a1"], ["b0"]], answers)
    first = BatchCollected(ZERO + 35, "b0", "complete", 0, {"last_answer": ZERO + 30})
    edit = replace(answers[0], value="b", changed=at(60.0))
    sweep = Sweep((edit, *answers[1:]), ())
    news = changes(known, sweep, 0.0)
    assert news is not None
    after = apply(replace(known, collected={0: first}, phase=Phase.COLLECT), news)
    found = figures(after, 1)
    assert (found["staleness"], found["waiting.total"]) == (1, 70.0)
    again = replace(sweep, answers=(replace(edit, changed=at(90.0)), *answers[1:]))
    assert changes(after, again, 0.0) is None  # the same answer, sent once more


def test_a_draft_is_no_answer_yet() -> None:
    """Ann has begun with two records early; she submits them one after the other, at 20 and 80."""
    drafts = [
        replace(given("a0", "ann", 1.0), changed=at(20.0)),
        replace(given("a1", "ann", 2.0), changed=at(80.0)),
        replace(given("b0", "ann", 101.0), changed=at(101.0)),
    ]
    known = make_state([["a0", "a1"], ["b0"]], [])
    news = changes(known, Sweep(tuple(drafts), ()), 0.0)
    assert news is not None
    state = apply(replace(known, phase=Phase.COLLECT), news)
    assert waited(state, 1) == {"ann": 20.0}
    assert paces(state) == {"ann": pytest.approx(1 / 60)}
    taken_back = changes(state, Sweep(tuple(drafts[1:]), ()), 0.0)
    assert taken_back is not None
    anew = replace(drafts[0], changed=at(95.0))
    later = changes(apply(state, taken_back), Sweep((anew, *drafts[1:]), ()), 0.0)
    assert later is not None
    assert waited(apply(state, later), 1) == {"ann": 5.0}


def test_the_last_batch_is_collected_whole() -> None:
    batch = ids("r", 40)
    state = make_state([["a"], batch], steady("r", "ann", 38, 4.0))
    open_now = frozenset(batch[38:])

    def reason(pool_size: int = 1000, **stopping: Any) -> str | None:
        config: Any = SimpleNamespace(
            queue=QueueSection(batch_size=40),
            stopping=StoppingSection(**stopping),
            relabel=RelabelSection(),
            strategy=StrategySection(),
        )
        return reason_to_close(state, config, open_now, pool_size=pool_size, now=ZERO + 300)

    assert reason() == "watermark"
    assert reason(label_budget=41) == "watermark"
    assert reason(label_budget=40) is None
    assert reason(max_rounds=2) is None
    assert reason(max_rounds=3) == "watermark"
    assert reason(pool_size=41) is None
