"""A run rebuilt from its annotation store alone: in memory and on a real Argilla."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import ballots, discarded, targets, unresolved
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.loop.data_sets import DataSets
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.operations.recover import Recovery, lines, recovered
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    BatchItem,
    PoolId,
    Record,
    Span,
    Suggestion,
    published_as,
    text_of,
)
from loopd.storage.codec import decode, encode
from tests.loop.conftest import LABELS, Bench, MakeBench, _in_memory, _on_argilla, gold
from tests.loop.test_second_opinions import ACTIVELAB, asked_again, attentive, never


def forget(bench: Bench) -> tuple[State, Recovery]:
    """Lose the journal and rebuild it; the state before, and what was found."""
    before = bench.state
    found = recovered(bench.tools, bench.tools.store.published(bench.tools.data.pool))
    assert fold(decode(*encode(event)) for event in found.events) == found.state
    bench.events, bench.state = list(found.events), found.state
    return before, found


def answers(state: State) -> dict[tuple[str, str], Answer]:
    """What is still there: Argilla does not tell what was taken back or deleted."""
    gone = AnswerStatus.WITHDRAWN
    return {
        key: answer
        for key, answer in state.answers.items()
        if answer.status is not gone and key[0] not in state.deleted
    }


def diligent(bench: Bench, at_once: int = 1) -> Callable[[], None]:
    """Ann answers everything, so many records at each look; every seventh record she discards."""

    def act() -> None:
        for id_ in sorted(bench.people.open_records("ann"))[:at_once]:
            if int(id_[1:4]) % 7 == 3:
                bench.people.discard(id_, "ann")
            else:
                bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))

    return act


def half_way(round_: int, count: int) -> Callable[[State], bool]:
    """Whether a round's batch is out, and so many of its records are still open."""

    def done(state: State) -> bool:
        out = state.phase is Phase.COLLECT and state.round == round_
        return out and len(unresolved(state, 1) & set(state.batch.external_ids)) == count

    return done


def published_once(state: State) -> bool:
    return max(Counter(id_ for each in state.batches for id_ in each.external_ids).values()) == 1


def test_batches_and_labels_come_back(make_bench: MakeBench) -> None:
    bench = make_bench(guests=False)
    bench.run_until(half_way(1, 3), diligent(bench, at_once=3))
    before, found = forget(bench)
    assert bench.state.batches == before.batches
    assert answers(bench.state) == answers(before)
    assert (targets(bench.state), discarded(bench.state)) == (targets(before), discarded(before))
    assert bench.state.phase is Phase.COLLECT
    assert unresolved(bench.state, 1) == unresolved(before, 1)
    assert bench.state.rounds_measured == before.rounds_measured == 1
    assert found.notes == ()
    state = bench.run_until(never, diligent(bench, at_once=3))
    assert state.batches[: len(before.batches)] == before.batches
    assert published_once(state)
    assert targets(before).items() <= targets(state).items()
    assert (state.stopped and state.stopped.reason, len(state.batches)) == ("max_rounds", 3)
    rows = metrics_log.rows(state)
    assert [row["round"] for row in rows] == [1, 2]
    assert "seconds.choosing" not in rows[0]
    assert "seconds.choosing" in rows[1]
    assert fold(bench.events) == state


@pytest.mark.whatever_the_store
def test_a_recovered_run_ends_as_if_nothing_had_happened(make_bench: MakeBench) -> None:
    ends = []
    for lost in (False, True):
        bench = make_bench(stopping={"max_rounds": 4})
        bench.run_until(half_way(2, 2), diligent(bench))
        if lost:
            forget(bench)
        state = bench.run_until(never, diligent(bench))
        rows = metrics_log.rows(state)
        ends.append((state.batches, targets(state), rows[-1]["accuracy"], rows[-1]["model_id"]))
    assert ends[0] == ends[1]


@pytest.mark.whatever_the_store
def test_several_open_batches_and_late_answers(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "low_watermark": 2})
    bench.run_until(lambda state: half_way(1, 6)(state) and state.round == 1, diligent(bench))
    before, _ = forget(bench)
    waiting = unresolved(before, 1)
    late = next(id_ for id_ in before.batches[0].external_ids if id_ in waiting)
    assert unresolved(bench.state, 1) == waiting
    bench.people.submit(late, "bob", gold(bench.tools.data.pool, late))
    bench.now[0] += 100
    bench.run_until(lambda state: text_of(late) in targets(state), lambda: None)


@pytest.mark.whatever_the_store
def test_the_last_batch_of_a_recovered_run_is_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "low_watermark": 2})
    bench.run_until(
        lambda state: state.phase is Phase.COLLECT and state.rounds_measured == 2, diligent(bench)
    )
    before, _ = forget(bench)
    state = bench.run_until(never, diligent(bench))
    assert (state.stopped and state.stopped.reason) == "max_rounds"
    assert state.round == before.round
    assert state.collected[state.round].reason == "complete"
    assert not unresolved(state, 1)


@pytest.mark.whatever_the_store
def test_second_opinions_come_back(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 6}, **ACTIVELAB)
    bench.run_until(asked_again, attentive(bench))
    before, found = forget(bench)
    assert bench.state.batches == before.batches
    assert bench.state.originals == before.originals
    assert ballots(bench.state) == ballots(before)
    assert unresolved(bench.state, 1) == unresolved(before, 1)
    assert all("not of this run" in note for note in found.notes)
    state = bench.run_until(lambda state: state.round > before.round, attentive(bench))
    assert published_once(state)


@pytest.mark.whatever_the_store
def test_a_deleted_original_of_a_copy_stays_deleted(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 6}, **ACTIVELAB)
    bench.run_until(asked_again, attentive(bench))
    copy = next(item for item in bench.state.batch.items if item.copy_id is not None)
    bench.people.delete(copy.record_id)
    _, found = forget(bench)
    assert bench.state.deleted == {published_as(copy.record_id)}
    assert copy.record_id not in targets(bench.state)
    assert copy.copy_id not in unresolved(bench.state, 1)
    assert any(f"`{copy.record_id}`" in note for note in found.notes)


@pytest.mark.whatever_the_store
def test_answers_that_came_with_the_pool(make_bench: MakeBench) -> None:
    given = {f"r{number:03d}": (("old", LABELS[number % 2]),) for number in range(12)}
    bench = make_bench(answers=given)
    bench.run_until(half_way(1, 4), diligent(bench))
    before, _ = forget(bench)
    assert answers(bench.state) == answers(before)
    assert set(given) <= set(targets(bench.state))
    assert bench.state.batches == before.batches
    assert bench.state.batches[0].model_id is not None
    assert bench.state.rounds_measured == before.rounds_measured == 1


@pytest.mark.whatever_the_store
def test_what_cannot_be_known_is_said(make_bench: MakeBench) -> None:
    """Edits, withdrawals and deleted records, of which Argilla keeps no trace."""
    bench = make_bench()
    bench.run_until(half_way(0, 0), diligent(bench))
    state = bench.run_until(half_way(1, 6), diligent(bench))
    first, second, third = sorted(targets(state))[:3]
    for value in LABELS:
        bench.people.submit(first, "bob", value)
    bench.people.submit(second, "bob", LABELS[0])
    bench.people.withdraw(second, "bob")
    bench.people.delete(third)
    bench.now[0] += 100
    bench.run_until(lambda state: published_as(third) in state.deleted, lambda: None)
    before, found = forget(bench)
    assert answers(bench.state) == answers(before)
    assert targets(bench.state) == targets(before)
    assert bench.state.deleted == set()
    assert published_as(third) not in bench.state.external_ids
    said = list(lines(found, bench.tools.config, dry_run=False))
    assert said[0].startswith("recovered 2 batches with 11 records, and ")
    assert "of 2 people" in said[0]
    assert any("times of 1 earlier round:" in line for line in said)
    assert any("deleted in Argilla" in line for line in said)


@pytest.mark.whatever_the_store
def test_an_ended_run_looks_at_its_answers_and_ends_again(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 2})
    ended = bench.run_until(never, diligent(bench))
    before, _ = forget(bench)
    assert bench.state.phase is Phase.COLLECT
    state = bench.run_until(never, diligent(bench))
    assert state.batches == ended.batches
    assert targets(state) == targets(before)
    assert state.stopped is not None


@pytest.mark.whatever_the_store
def test_rounds_without_a_model_do_not_count(make_bench: MakeBench) -> None:
    bench = make_bench()

    def discard_first() -> None:
        for id_ in bench.people.open_records("ann"):
            if bench.state.round == 0:
                bench.people.discard(id_, "ann")
            else:
                bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))

    bench.run_until(half_way(2, 6), discard_first)
    before, _ = forget(bench)
    assert before.batches[1].model_id is None
    assert bench.state.rounds_measured == before.rounds_measured == 1


def test_an_empty_store_has_nothing_to_recover(make_bench: MakeBench) -> None:
    bench = make_bench()
    with pytest.raises(DatasetError, match="holds no batch of a run"):
        recovered(bench.tools, bench.tools.store.published(bench.tools.data.pool))
    bench.people.drop()
    with pytest.raises(DatasetError):
        bench.tools.store.published(bench.tools.data.pool)


@pytest.mark.whatever_the_store
def test_patience_begins_when_the_batch_came(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "patience": 50})
    bench.run_until(half_way(0, 2), diligent(bench))
    forget(bench)
    bench.now[0] += 60
    state = bench.run_until(lambda state: 0 in state.collected, lambda: None)
    assert state.collected[0].reason == "patience"


# -- other kinds of tasks --------------------------------------------------------------------------

TEXTS = Pool(
    (
        Record(PoolId("a"), "Ada 🙂 went to Rome &amp; back"),
        Record(PoolId("b"), "nothing <b>here</b>\r\nat all 🙂"),
        Record(PoolId("c"), "Bob"),
    )
)
KINDS: dict[str, tuple[dict[str, Any], list[Suggestion | None], list[Any]]] = {
    "multi_label": (
        {"labels": ["person", "place"], "none_label": "none"},
        [Suggestion(("person", "place"), (0.75, 0.5)), Suggestion((), ()), None],
        [["person", "place"], ["none"], ["place"]],
    ),
    "spans": (
        {"labels": ["person", "place"]},
        [Suggestion((Span(0, 3, "person"), Span(14, 18, "place")), (0.75, 0.5)), None, None],
        [
            [{"start": 0, "end": 3, "label": "person"}, {"start": 14, "end": 18, "label": "place"}],
            [],
            [{"start": 0, "end": 3, "label": "person"}],
        ],
    ),
}


@pytest.fixture
def make_tools(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    made: list[tuple[Tools, Any]] = []

    def make(kind: str) -> tuple[Tools, Any]:
        name = f"recovered-{uuid.uuid4().hex[:8]}"
        settings = {
            "run": {"dir": name},
            "argilla": {"dataset": name},
            "task": {"type": kind, **KINDS[kind][0]},
            "pool": {"path": "unused.csv"},
        }
        config = parse_config(settings, tmp_path)
        parts = (
            partial(_in_memory, completes=False)
            if place == "memory"
            else _on_argilla(request, LABELS)
        )
        store, people = parts(config)
        tools = build_tools(config, DataSets(TEXTS, None, {}), Stop(), store=store)
        made.append((tools, people))
        return made[-1]

    yield make
    for tools, people in made:
        tools.store.close()
        people.close()


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_suggestions_of_other_kinds(make_tools: Any, kind: str) -> None:
    tools, people = make_tools(kind)
    _, proposed, values = KINDS[kind]
    items = tuple(
        BatchItem(record.id, 0.5 - number / 10, proposal)
        for number, (record, proposal) in enumerate(zip(TEXTS, proposed, strict=True))
    )
    batch = Batch("b0000", 0, "random_sampling", "m1", items)
    tools.store.open(TEXTS, fresh=True)
    tools.store.publish(batch, {record.id: record.text for record in TEXTS})
    for record, value in zip(TEXTS, values, strict=True):
        people.submit(record.id, "ann", value)
    state = recovered(tools, tools.store.published(tools.data.pool)).state
    assert state.batches == (batch,)
    found = tools.store.sweep(("a", "b", "c")).answers
    assert {answer.status for answer in state.answers.values()} == {AnswerStatus.SUBMITTED}
    given = [replace(answer, given=answer.changed) for answer in found]
    assert sorted(state.answers.values(), key=str) == sorted(given, key=str)
