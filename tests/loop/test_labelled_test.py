"""A test set that people label first: which texts it is, that nothing learns from it, what it says.

In memory and on a real Argilla.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.annotation.consensus import discarded, targets
from loopd.config_file import parse_config
from loopd.errors import ConfigError, NewerError, RunError
from loopd.events import BatchPlanned, RoundEvaluated, RunStarted
from loopd.loop.audit_in_force import in_force
from loopd.loop.labelled_test import due, labelled_test, reserved, usable
from loopd.loop.obstacles import obstacle
from loopd.loop.start_or_resume import refuse_changes
from loopd.loop.steps import STEPS
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.measured import ASKED, CROSS, measured_in
from loopd.operations.status import describe
from loopd.overview.run_status import run_status
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, PoolId, published_as
from loopd.storage.codec import decode, encode
from tests.loop.conftest import LABELS, Bench, MakeBench, gold, make_pool
from tests.loop.test_measured import finished, labelling, sources, untested
from tests.loop.test_recover import diligent, forget

ASK: dict[str, Any] = {
    "test": {"ask": 24},
    "queue": {"batch_size": 10},
    "stopping": {"max_rounds": 3},
}


def asked_in(batch: Batch) -> list[str]:
    return [item.record_id for item in batch.items if item.test]


def asking(make_bench: MakeBench, size: int = 100, **changed: Any) -> Bench:
    return untested(make_bench(size, **{**ASK, **changed}))


@pytest.mark.whatever_the_store
def test_it_goes_out_first_and_nothing_learns_from_it(make_bench: MakeBench) -> None:
    bench = asking(make_bench)
    state = finished(bench)
    assert [len(asked_in(batch)) for batch in state.batches] == [10, 10, 4, 0, 0]
    assert [len(batch.items) for batch in state.batches] == [10] * 5
    assert state.tests == frozenset(bench.tools.reserve[:24])
    assert all(item.draw for batch in state.batches for item in batch.items if item.test)
    assert all(item.suggestion is None for batch in state.batches for item in batch.items[:0])
    labels = targets(state)
    assert sorted(state.trained) == [2, 3, 4]
    for number, trained in state.trained.items():
        assert trained.held_out == 24
        assert sum(trained.label_counts.values()) == trained.labels - 24
        if number == max(state.trained):
            taught = {id_: one for id_, one in labels.items() if id_ not in state.tests}
            assert trained.model_id == bench.tools.learner.model_id(number, taught)
    others = [item for batch in state.batches for item in batch.items if not item.test]
    assert {item.record_id for item in others}.isdisjoint(bench.tools.reserve)


@pytest.mark.whatever_the_store
def test_it_is_the_accuracy_of_each_round(make_bench: MakeBench) -> None:
    bench = asking(make_bench)
    state = finished(bench)
    assert sources(state) == [ASKED] * 3
    for row in metrics_log.rows(state):
        assert (row["measured_by"], row["measured_on"], row["test_size"]) == (ASKED, 24, 24)
        assert row["measured"] == row["accuracy"]
        assert (row["test_open"], row["test_discarded"]) == (0, 0)
    last = state.evaluated[max(state.evaluated)]
    told = measured_in(last)
    assert told is not None
    assert told.is_reliable
    assert told.basis == "on a test set of 24 texts that people labelled"
    assert sum(times for _, _, times in last.confusion) == 24


@pytest.mark.whatever_the_store
def test_a_journal_replays_and_a_step_that_is_repeated_says_the_same(
    make_bench: MakeBench,
) -> None:
    bench = asking(make_bench)
    finished(bench)
    events = [decode(*encode(event)) for event in bench.events]
    assert fold(events) == bench.state
    for index, event in enumerate(events):
        if isinstance(event, BatchPlanned | RoundEvaluated):
            before = fold(events[:index])
            again = STEPS[before.phase](before, bench.tools)
            if isinstance(event, BatchPlanned):
                assert isinstance(again, BatchPlanned)
                assert again.batch == event.batch
            else:
                assert isinstance(again, RoundEvaluated)
                assert (again.metrics, again.confusion) == (event.metrics, event.confusion)


@pytest.mark.whatever_the_store
def test_what_people_discard_is_replaced(make_bench: MakeBench) -> None:
    bench = asking(make_bench)
    state = finished(bench, diligent(bench))
    refused = discarded(state) & state.tests
    assert refused
    assert len(usable(state)) == 24
    last = metrics_log.rows(state)[-1]
    assert (last["test_size"], last["test_discarded"]) == (24, len(refused))
    assert state.tests == frozenset(bench.tools.reserve[: 24 + len(refused)])


@pytest.mark.whatever_the_store
def test_where_all_is_discarded_what_is_left_is_counted(make_bench: MakeBench) -> None:
    bench = asking(make_bench, 80)
    refused: list[str] = []

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            if id_ in bench.tools.reserve and len(refused) < 18:
                refused.append(id_)
                bench.people.discard(id_, "ann")
            else:
                bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))

    state = finished(bench, act)
    spare = len(bench.tools.reserve) - 24
    assert spare == 10
    last = metrics_log.rows(state)[-1]
    assert (last["test_size"], last["measured_on"]) == (24 + spare - 18,) * 2
    assert last["test_discarded"] == 18


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("place", ["memory"])
@pytest.mark.parametrize("left", [4, 5])
def test_what_is_left_of_it_measures_nothing_where_it_is_too_little(
    make_bench: MakeBench, left: int
) -> None:
    bench = asking(make_bench, 80, stopping={"max_rounds": 2})
    kept = set(bench.tools.reserve[:left])

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            if id_ in bench.tools.reserve and id_ not in kept:
                bench.people.discard(id_, "ann")
            else:
                bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))

    state = finished(bench, act)
    for row in metrics_log.rows(state):
        assert row["measured_by"] == (ASKED if left == 5 else CROSS)
        assert row.get("test_size") == (5 if left == 5 else None)
        assert (row.get("cross.accuracy") is None) is (left == 5)


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_pool_is_labelled_to_its_end(make_bench: MakeBench, share: float) -> None:
    sections = {"audit": {"random_share": share}, "stopping": {"max_rounds": 60}}
    bench = asking(make_bench, 60, **sections)
    state = finished(bench)
    assert state.planned_ids == {record.id for record in bench.tools.data.pool}
    assert len(state.tests) == 24
    spared = set(bench.tools.reserve[24:])
    assert spared
    taught = {item.record_id for batch in state.batches for item in batch.items if not item.draw}
    assert spared <= taught


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("needed", [2, 3])
def test_several_people_label_it(make_bench: MakeBench, needed: int) -> None:
    queue = {"batch_size": 10, "min_submitted": needed}
    bench = asking(make_bench, queue=queue, consensus={"strategy": "dawid_skene"})
    pool, people = bench.tools.data.pool, ["ann", "bob", "cyd"][:needed]

    def act() -> None:
        for person in people:
            for id_ in bench.people.open_records(person):
                bench.people.submit(id_, person, gold(pool, id_))

    state = finished(bench, act)
    assert sources(state) == [ASKED] * 3
    assert {row["measured_on"] for row in metrics_log.rows(state)} == {24}


def _topics(bench: Bench) -> Callable[[], None]:
    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", [gold(bench.tools.data.pool, id_)])

    return act


@pytest.mark.whatever_the_store
def test_several_labels(make_bench: MakeBench) -> None:
    bench = asking(make_bench, task={"type": "multi_label", "labels": list(LABELS)})
    state = finished(bench, _topics(bench))
    rounds = [measured_in(event) for event in state.evaluated.values()]
    assert [(one.metric, one.source, one.count) for one in rounds if one is not None] == [
        ("micro_f1", ASKED, 24)
    ] * 3


@pytest.mark.left_to_others
def test_a_lost_journal_comes_back_with_it(make_bench: MakeBench) -> None:
    bench = asking(make_bench, guests=False)
    bench.run_until(lambda state: state.round == 3 and bool(state.published), labelling(bench))
    before, _ = forget(bench)
    assert bench.state.tests == before.tests
    assert len(before.tests) == 24
    assert bench.state.started is not None
    assert before.started is not None
    assert bench.state.started.test_fingerprint == before.started.test_fingerprint
    state = finished(bench)
    assert state.tests == before.tests
    assert sources(state)[-1] == ASKED


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("place", ["memory"])
def test_answers_from_before_train_nothing_meanwhile(make_bench: MakeBench) -> None:
    answers = {f"r{n:03d}": (("old", LABELS[n % 2]),) for n in range(12)}
    bench = asking(make_bench, answers=answers)
    state = finished(bench)
    assert [len(asked_in(batch)) for batch in state.batches[:3]] == [10, 10, 4]
    assert min(state.trained) == 1  # whole batches of the test set need no model
    assert state.tests.isdisjoint(answers)
    assert state.rounds_measured == 3


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("place", ["memory"])
def test_status_says_how_far_people_are(make_bench: MakeBench) -> None:
    bench = asking(make_bench)
    act = labelling(bench)
    state = bench.run_until(lambda state: state.round == 1 and state.phase is Phase.COLLECT, act)
    config = bench.tools.config
    assert labelled_test(state) == 10
    assert describe(state, config)["test_set"] == {"ask": 24, "labelled": 10, "discarded": 0}
    sentence = run_status(state, config).sentence
    assert "They label the test set first: 10 of 24 texts, drawn at random." in sentence
    assert obstacle(state, config) is None  # that nothing trains yet is no problem


# -- what a run keeps ------------------------------------------------------------------------------

SECTIONS: dict[str, Any] = {"task": {"labels": ["a", "b"]}, "pool": {"path": "x.csv"}}


def test_a_run_keeps_its_kind_of_test_set(make_bench: MakeBench, tmp_path: Any) -> None:
    bench = asking(make_bench)
    state, data = fold(bench.events), bench.tools.data
    refuse_changes(state, bench.tools.config, data)
    config = bench.tools.config.model_copy(update={"test": None})
    with pytest.raises(RunError, match="the test set changed since this run began"):
        refuse_changes(state, config, data)
    fewer = parse_config({**SECTIONS, "test": {"ask": 20}}, tmp_path)
    more = parse_config({**SECTIONS, "test": {"ask": 30}}, tmp_path)
    assert fewer.digest() != more.digest()
    assert in_force(fewer, State()).audit.random_share == 0.0


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"test": {"ask": 19}}, "test.ask"),
        ({"test": {"ask": 30, "path": "t.csv"}}, "exactly one of"),
        ({"test": {"ask": 30, "label": "l"}}, "those of the pool"),
        ({"test": {}}, "exactly one of"),
        ({"test": {"path": "t.csv"}}, "test.label"),
        ({"test": {"ask": 30}, "stopping": {"label_budget": 30}}, "used up by test.ask"),
    ],
)
def test_what_is_refused(sections: dict[str, Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({**SECTIONS, **sections}, tmp_path)


def test_a_pool_that_is_too_small() -> None:
    with pytest.raises(ConfigError, match=r"test.ask: 31 of 60 texts .* leaves too few"):
        reserved(make_pool(60), 31, 1)
    assert len(reserved(make_pool(60), 30, 1)) == 30
    assert len(reserved(make_pool(60), 25, 1)) == 30
    assert reserved(make_pool(60), 0, 1) == ()


def test_an_older_loopd_refuses_the_journal_and_an_older_journal_is_read() -> None:
    item = BatchItem(PoolId("r1"), draw=True, test=True)
    planned = BatchPlanned(0.0, Batch("b0000", 0, "random_sampling", None, (item,)), 0.0)
    name, payload = encode(planned)
    assert decode(name, payload) == planned
    assert '"test":true' in payload
    older = decode(name, payload.replace(',"test":true', ""))
    assert isinstance(older, BatchPlanned)
    assert older.batch.items == (replace(item, test=False),)
    with pytest.raises(NewerError):
        decode(name, payload.replace('"test"', '"tested"'))


# -- whatever people do ----------------------------------------------------------------------------

STATUSES = st.sampled_from(
    [AnswerStatus.SUBMITTED, AnswerStatus.DISCARDED, AnswerStatus.WITHDRAWN, None]
)


@settings(max_examples=60, deadline=None)
@given(statuses=st.lists(STATUSES, min_size=1, max_size=60), size=st.integers(1, 12))
def test_it_is_filled_up_in_one_order_and_never_beyond(
    statuses: list[AnswerStatus | None], size: int
) -> None:
    pool, ask = make_pool(100), 20
    reserve = reserved(pool, ask, 7)
    begun = RunStarted(0.0, "d", 7, LABELS, pool.fingerprint, "", "set", {})
    state, replies, number = fold([begun]), iter(statuses), 0
    while items := due(state, reserve, ask, size):
        assert len(items) <= size
        assert [item.record_id for item in items] == list(reserve[len(state.tests) :][: len(items)])
        batch = Batch(f"b{number:04d}", number, "random_sampling", None, items)
        state = replace(
            fold([]), **{name: getattr(state, name) for name in ("started", "batches", "answers")}
        )
        answers = dict(state.answers)
        for item in items:
            status = next(replies, AnswerStatus.SUBMITTED)
            if status is not None:
                id_ = published_as(item.record_id)
                value = LABELS[0] if status is AnswerStatus.SUBMITTED else None
                answers[id_, "ann"] = Answer(id_, "ann", status, value, "2026-01-01T00:00:00")
        state = replace(state, batches=(*state.batches, batch), answers=answers)
        number += 1
        assert len(usable(state)) <= ask
    assert len(usable(state)) == ask or len(state.tests) == len(reserve)
    assert sources(state) == []
    assert CROSS != ASKED
