"""Second opinions as people give them: copies, who may answer them, and what they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from loopd.annotation.consensus import ballots, discarded, repeats, targets, unresolved
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, PoolId
from tests.loop.conftest import LABELS, Bench, MakeBench, gold, number

ACTIVELAB: dict[str, Any] = {
    "strategy": {"name": "activelab", "cold_start": "random_sampling"},
    "consensus": {"folds": 3},
}


def never(_: State) -> bool:
    return False


def copies(batch: Batch) -> list[BatchItem]:
    return [item for item in batch.items if item.copy_id is not None]


def asked_again(state: State) -> bool:
    """Whether copies are out."""
    return state.phase is Phase.COLLECT and bool(copies(state.batch))


def right(bench: Bench, external_id: str) -> str:
    return gold(bench.tools.data.pool, bench.state.originals[ExternalId(external_id)])


def wrong(bench: Bench, external_id: str) -> str:
    return next(label for label in LABELS if label != right(bench, external_id))


def seen(bench: Bench, person: str, external_id: str) -> bool:
    """Whether a person has answered the record or a copy of it."""
    originals, who = bench.state.originals, bench.people.ids.get(person, person)
    return any(
        originals[answered] == originals[ExternalId(external_id)]
        for answered, annotator in bench.state.answers
        if annotator == who
    )


def attentive(bench: Bench) -> Callable[[], None]:
    """Ann answers new texts; what was answered once, Bob, then Cyd answer, who answered one text.

    Ann is wrong on every third text, the others never.
    """

    def act() -> None:
        for person in ("ann", "bob", "cyd"):
            for id_ in bench.people.open_records(person):
                if id_ not in bench.state.originals or seen(bench, person, id_):
                    continue
                new = bench.state.originals[id_] == id_
                if new and person == "ann":
                    slip = int(id_[1:]) % 3 == 0
                    value = wrong(bench, id_) if slip else right(bench, id_)
                    bench.people.submit(id_, person, value)
                elif id_ in open_ids(bench) and (not new or first_of(bench, person)):
                    bench.people.submit(id_, person, right(bench, id_))
                    return

    return act


def open_ids(bench: Bench) -> frozenset[str]:
    return unresolved(bench.state, 1)


def first_of(bench: Bench, person: str) -> bool:
    """Whether a person has given no answer yet: each shows up once, so that the loop knows them."""
    who = bench.people.ids.get(person, person)
    return all(annotator != who for _, annotator in bench.state.answers)


@pytest.mark.left_to_others
def test_second_opinions_are_asked_and_mend_labels(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 6}, **ACTIVELAB)
    state = bench.run_until(never, attentive(bench))
    items = [item for batch in state.batches for item in batch.items]
    assert len({item.external_id for item in items}) == len(items)
    again = [item for item in items if item.copy_id is not None]
    assert again
    assert all(item.suggestion is None for item in again)
    assert all(item.external_id.startswith(f"{item.record_id}#") for item in again)
    votes = ballots(state)
    assert all(len({vote.annotator for vote in given}) == len(given) for given in votes.values())
    assert max(len(given) for given in votes.values()) >= 2
    assert set(votes) == set(targets(state)) == state.planned_ids
    assert fold(bench.events) == state
    rows = metrics_log.rows(state)
    assert sum(number(row, "second_opinions") for row in rows) == len(again)
    assert rows[-1]["annotations"] == sum(map(len, votes.values())) > number(rows[-1], "labels")
    assert rows[-1]["annotators"] == 3
    assert 0 <= number(rows[-1], "consensus.agreement") <= 1


def with_a_copy(make_bench: MakeBench, **sections: Any) -> tuple[Bench, str, str]:
    """A loop that waits for one copy alone, the record of which one person has answered.

    A record on which two differ may be asked about a third time; it is another one here.
    """
    bench = make_bench(stopping={"max_rounds": 9}, **{**ACTIVELAB, **sections})
    bench.run_until(asked_again, attentive(bench))
    votes = ballots(bench.state)
    copied = [item for item in copies(bench.state.batch) if len(votes[item.record_id]) == 1]
    copy_id = copied[0].copy_id
    assert copy_id is not None

    def but_one() -> None:
        for id_ in open_ids(bench) - {copy_id}:
            person = next(name for name in ("ann", "bob", "cyd") if not seen(bench, name, id_))
            bench.people.submit(id_, person, right(bench, id_))

    bench.run_until(lambda _: open_ids(bench) == {copy_id}, but_one)
    return bench, bench.state.originals[copy_id], copy_id


def person_of(bench: Bench, record_id: str) -> str:
    """Who answered a record itself."""
    names = {identifier: name for name, identifier in bench.people.ids.items()}
    return next(str(names[who]) for answered, who in bench.state.answers if answered == record_id)


def settle(bench: Bench, looks: int = 40) -> None:
    """Let the loop look again and again; it must not get on."""
    round_ = bench.state.round
    with pytest.raises(RuntimeError, match="does not get on"):
        bench.run_until(lambda state: state.round > round_, lambda: None, steps=looks)
    assert bench.state.phase is Phase.COLLECT


@pytest.mark.whatever_the_store
def test_the_same_person_again_does_not_count_and_the_copy_stays_open(
    make_bench: MakeBench,
) -> None:
    bench, record_id, copy_id = with_a_copy(make_bench)
    first, before = person_of(bench, record_id), targets(bench.state)[PoolId(record_id)]
    other = next(label for label in LABELS if label != before)
    bench.people.submit(copy_id, first, other)
    settle(bench)
    assert targets(bench.state)[PoolId(record_id)] == before
    assert [vote.target for vote in ballots(bench.state)[PoolId(record_id)]] == [before]
    assert repeats(bench.state) == {(copy_id, bench.people.ids[first])}
    kept = bench.state.answers[ExternalId(copy_id), bench.people.ids[first]]
    assert kept.status is AnswerStatus.DISCARDED
    second = next(name for name in ("bob", "cyd") if not seen(bench, name, copy_id))
    assert copy_id in bench.people.open_records(second)
    round_ = bench.state.round
    bench.people.submit(copy_id, second, other)
    bench.run_until(lambda state: round_ in state.trained, lambda: None)
    assert {vote.annotator for vote in ballots(bench.state)[PoolId(record_id)]} == {
        bench.people.ids[first],
        bench.people.ids[second],
    }


@pytest.mark.whatever_the_store
def test_the_same_person_again_replaces_where_that_is_allowed(make_bench: MakeBench) -> None:
    bench, record_id, copy_id = with_a_copy(make_bench, relabel={"another_person": False})
    first, before = person_of(bench, record_id), targets(bench.state)[PoolId(record_id)]
    other = next(label for label in LABELS if label != before)
    round_ = bench.state.round
    bench.people.submit(copy_id, first, other)
    bench.run_until(lambda state: round_ in state.trained, lambda: None)
    (vote,) = ballots(bench.state, another_person=False)[PoolId(record_id)]
    assert (vote.annotator, vote.target) == (bench.people.ids[first], other)


@pytest.mark.whatever_the_store
def test_a_discard_by_another_person_ends_the_question(make_bench: MakeBench) -> None:
    bench, record_id, copy_id = with_a_copy(make_bench)
    before = targets(bench.state)[PoolId(record_id)]
    second = next(name for name in ("bob", "cyd") if not seen(bench, name, copy_id))
    round_ = bench.state.round
    bench.people.discard(copy_id, second)
    bench.run_until(lambda state: round_ in state.trained, lambda: None)
    assert targets(bench.state)[PoolId(record_id)] == before
    assert record_id not in discarded(bench.state)


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("what", ["copy", "original"])
def test_a_deletion_ends_the_question(make_bench: MakeBench, what: str) -> None:
    bench, record_id, copy_id = with_a_copy(make_bench)
    round_ = bench.state.round
    bench.people.delete(copy_id if what == "copy" else record_id)
    bench.now[0] += 100
    bench.run_until(lambda state: round_ in state.trained, lambda: None)
    assert (record_id in targets(bench.state)) is (what == "copy")
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    asked = [item.record_id for item in bench.state.batch.items]
    assert what == "copy" or record_id not in asked


@pytest.mark.whatever_the_store
def test_an_answer_on_a_copy_may_be_edited_and_taken_back(make_bench: MakeBench) -> None:
    bench, record_id, copy_id = with_a_copy(make_bench)
    second = next(name for name in ("bob", "cyd") if not seen(bench, name, copy_id))
    round_ = bench.state.round
    for value in LABELS:
        bench.people.submit(copy_id, second, value)
    bench.run_until(lambda state: round_ in state.trained, lambda: None)
    assert ballots(bench.state)[PoolId(record_id)][1].target == LABELS[1]
    bench.people.withdraw(copy_id, second)
    bench.run_until(lambda state: len(ballots(state)[PoolId(record_id)]) == 1, lambda: None)


@pytest.mark.whatever_the_store
def test_one_person_alone_is_never_asked_again(make_bench: MakeBench) -> None:
    bench = make_bench(stopping={"max_rounds": 4}, **ACTIVELAB)

    def alone() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", right(bench, id_))

    state = bench.run_until(never, alone)
    assert len(state.evaluated) == 4
    assert not any(copies(batch) for batch in state.batches)


@pytest.mark.whatever_the_store
def test_no_text_is_asked_about_more_often_than_allowed(make_bench: MakeBench) -> None:
    sections = {**ACTIVELAB, "relabel": {"max_annotations": 2}}
    bench = make_bench(size=12, stopping={"max_rounds": 9}, **sections)
    state = bench.run_until(never, attentive(bench))
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    asked = Counter(item.record_id for batch in state.batches for item in batch.items)
    assert max(asked.values()) == 2
    assert len(asked) == 12


@pytest.mark.whatever_the_store
def test_nobody_waits_for_a_batch_of_second_opinions(make_bench: MakeBench) -> None:
    """Also when no text of the pool is new; the answers to the very last batch are waited for."""
    sections = {**ACTIVELAB, "relabel": {"max_annotations": 2}}
    queue = {"batch_size": 4, "low_watermark": 1}
    bench = make_bench(size=12, stopping={"max_rounds": 20}, queue=queue, **sections)
    state = bench.run_until(never, attentive(bench))
    assert (state.stopped and state.stopped.reason) == "pool_exhausted"
    whole = next(one.round for one in state.batches if len(copies(one)) == len(one.items))
    reasons = [state.collected[number].reason for number in range(whole, state.round + 1)]
    assert "watermark" in reasons[:-1]
    assert reasons[-1] == "complete"
    assert not unresolved(state, 1)


@pytest.mark.whatever_the_store
@pytest.mark.parametrize("strategy", ["weighted", "crowdlab", "dawid_skene"])
def test_every_consensus_carries_the_loop(make_bench: MakeBench, strategy: str) -> None:
    sections = {**ACTIVELAB, "consensus": {"strategy": strategy, "folds": 3}}
    bench = make_bench(stopping={"max_rounds": 5}, **sections)
    state = bench.run_until(never, attentive(bench))
    rows = metrics_log.rows(state)
    assert len(rows) == 5
    assert number(rows[-1], "accuracy") >= 0.7
    assert 0 < number(rows[-1], "consensus.quality") <= 1
    named = {key for key in rows[-1] if key.endswith(".quality") and key.startswith("annotators.")}
    assert len(named) == rows[-1]["annotators"]


@pytest.mark.whatever_the_store
def test_an_ensemble_chooses(make_bench: MakeBench) -> None:
    strategy = {**ACTIVELAB["strategy"], "options": {"ensemble": 3}}
    bench = make_bench(stopping={"max_rounds": 4}, **{**ACTIVELAB, "strategy": strategy})
    state = bench.run_until(never, attentive(bench))
    assert len(state.evaluated) == 4
    assert any(copies(batch) for batch in state.batches)
