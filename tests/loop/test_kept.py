"""What is kept while events are folded is what walking everything anew would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from loopd.annotation import consensus
from loopd.events import (
    AnswersCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    RoundEvaluated,
    RunRecovered,
    RunResumed,
    TextsWithdrawn,
)
from loopd.loop.answer_moments import KEPT, LEAST, annotators_of, moments_of
from loopd.loop.answer_times import moment
from loopd.loop.queue import paces, runs_low
from loopd.loop.waiting_figures import waited
from loopd.machine import Phase, State, apply, fold
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    BatchItem,
    ExternalId,
    PoolId,
    Target,
    published_as,
    text_of,
)
from tests.annotation import walked
from tests.fuzz.properties import HOW_OFTEN, holds
from tests.journals import journals
from tests.loop import walked as walked_loop

Looked = st.lists(st.booleans(), min_size=45, max_size=45)
"""After which events somebody asks: what nobody asks for is not kept, or several events later."""


def step_by_step(events: Sequence[Event]) -> dict[str, Any]:
    """The parts of a state that are shared in memory, by plain dicts."""
    answers: dict[tuple[ExternalId, str], Answer] = {}
    deleted: set[ExternalId] = set()
    predicted: dict[int, dict[PoolId, Target]] = {}
    batches: list[Any] = []
    withdrawn: set[PoolId] = set()

    def is_left(id_: ExternalId) -> bool:
        items = {item.external_id: item.record_id for batch in batches for item in batch.items}
        return items.get(id_, text_of(id_)) not in withdrawn

    for event in events:
        match event:
            case AnswersCollected():
                some = [one for one in event.answers if is_left(one.external_id)]
                answers |= {(one.external_id, one.annotator): one for one in some}
                deleted |= {id_ for id_ in event.deleted if is_left(id_)}
                deleted -= {id_ for id_ in event.restored if is_left(id_)}
            case TextsWithdrawn():
                withdrawn |= set(event.ids)
                items = {item.external_id for batch in batches for item in batch.items}
                gone = {id_ for id_ in items if not is_left(id_)} | set(
                    map(published_as, withdrawn)
                )
                deleted |= gone
                answers = {key: one for key, one in answers.items() if key[0] not in gone}
            case BatchPlanned():
                batches.append(event.batch)
            case RunRecovered():
                batches = list(event.batches)
            case RoundEvaluated():
                since = event.predicted_since
                before = {} if since is None else predicted[since]
                predicted[event.round] = {**before, **event.predicted}
            case _:
                pass
    all_items = [item for batch in batches for item in batch.items]
    return {
        "answers": answers,
        "deleted": deleted,
        "predicted": predicted,
        "originals": {item.external_id: item.record_id for item in all_items},
        "external_ids": {item.external_id for item in all_items},
        "planned_ids": {item.record_id for item in all_items if item.copy_id is None},
        "draws": {
            item.record_id: batch.round for batch in batches for item in batch.items if item.draw
        },
    }


def same_as_walked(state: State) -> None:
    """Everything that is kept for a state is what a walk over it gives."""
    for another in (True, False):
        votes = consensus.ballots(state, another_person=another)
        assert list(votes.items()) == list(walked.ballots(state, another_person=another).items())
        answered = walked.answered(state, another_person=another)
        assert consensus.answered(state, another_person=another) == answered
        assert {
            id_ for id_ in state.external_ids
            if consensus.any_answered(state, [id_], another_person=another)
        } == answered & state.external_ids  # fmt: skip
        for needed in (1, 2):
            waits = consensus.unresolved(state, needed, another_person=another)
            assert waits == walked.unresolved(state, needed, another_person=another)
    index = consensus.index_of(state)
    assert consensus.labelled(state) == walked.labelled(state)
    assert consensus.discarded(state) == walked.discarded(state)
    assert consensus.outside(state) == walked.outside(state) | state.withdrawn
    assert consensus.repeats(state) == walked.repeats(state)
    assert consensus.to_set_aside(state) == walked.to_set_aside(state)
    assert dict(consensus.reactions(state)) == dict(walked.reactions(state))
    taken = state.planned_ids | walked.labelled(state) | walked.outside(state)
    assert len(state.planned_ids) + index.unplanned == len(taken)
    counts = (len(walked.labelled(state)), len(walked.discarded(state)))
    assert (index.labelled, index.discarded) == counts
    assert paces(state) == walked_loop.paces(state)
    same_annotators(state)
    anew = moments_of(replace(state)).given
    assert {id_: some for id_, some in moments_of(state).given.items() if some} == anew
    if state.batches and state.round in state.published:
        waits = consensus.unresolved(state, 2)
        for needed in (1, 2):
            low = walked_loop.runs_low(state, waits, needed, 3.0)
            assert runs_low(state, waits, needed, 3.0) == low
            if state.round > 0:
                assert waited(state, needed) == walked_loop.waited(state, needed)


def contents(state: State) -> dict[str, Any]:
    """Copies of everything that a state says."""
    names = [field.name for field in fields(State) if field.init]
    values = {name: getattr(state, name) for name in names}
    return {
        name: dict(value) if hasattr(value, "keys") else value for name, value in values.items()
    }


def states(events: Sequence[Event], looks: Sequence[bool]) -> Iterator[State]:
    state = State()
    for event, look in zip(events, looks, strict=False):
        state = apply(state, event)
        if look:
            same_as_walked(state)
        yield state


@HOW_OFTEN
def test_a_fold_is_the_same_as_step_by_step(examples: int) -> None:
    def check(events: list[Event]) -> None:
        whole, parts = fold(events), step_by_step(events)
        state = State()
        for event in events:
            state = apply(state, event)
        assert whole == state
        assert {name: getattr(whole, name) for name in parts} == parts
        assert list(whole.answers) == list(parts["answers"])
        assert list(whole.originals) == list(parts["originals"])

    holds(examples, journals(), check)


@HOW_OFTEN
def test_what_is_kept_is_what_a_walk_gives(examples: int) -> None:
    def check(case: tuple[list[Event], list[bool]]) -> None:
        events, looks = case
        for _ in states(events, looks):
            pass
        same_as_walked(fold(events))

    holds(examples, st.tuples(journals(), Looked), check)


@HOW_OFTEN
def test_no_state_changes_under_whoever_holds_it(examples: int) -> None:
    """Not by what comes after it, nor by another run that goes on from it."""

    def check(case: tuple[list[Event], list[bool]]) -> None:
        events, looks = case
        held = [(state, contents(state)) for state in states(events, looks)]
        for (state, before), (later, _) in pairwise(held):
            for event in events:
                if type(event) is not BatchPlanned:
                    go_on(state, event)
            assert contents(state) == before
            same_as_walked(state)
            same_as_walked(later)

    holds(max(examples // 4, 15), st.tuples(journals(), Looked), check)


def go_on(state: State, event: Event) -> None:
    """Another run that goes on from the state, where it can."""
    if isinstance(event, AnswersCollected) and state.phase in (Phase.SEED, Phase.COLLECT):
        same_as_walked(apply(state, event))


def test_many_answers_that_are_taken_back_let_older_ones_count_again() -> None:
    """More of them than are kept for a person."""
    batch = Batch("b0", 0, "x", None, tuple(BatchItem(PoolId(f"r{n}")) for n in range(4 * KEPT)))
    begin = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
    answers = tuple(
        Answer(id_, "ann", AnswerStatus.SUBMITTED, "a", (begin + timedelta(seconds=n)).isoformat())
        for n, id_ in enumerate(batch.external_ids)
    )
    state = State(phase=Phase.COLLECT, batches=(batch,))
    for one in answers:
        state = apply(state, AnswersCollected(1.0, (one,)))
        same_annotators(state)
    assert len(annotators_of(state)["ann"].given) == KEPT
    for one in reversed(answers):
        withdrawn = replace(one, status=AnswerStatus.WITHDRAWN, value=None)
        state = apply(state, AnswersCollected(2.0, (withdrawn,)))
        same_annotators(state)
    assert annotators_of(state) == {}


def test_an_old_answer_that_comes_late_is_none_of_the_newest() -> None:
    """It was given while no daemon looked, and more than are kept were given since."""
    size = KEPT + 20
    batch = Batch("b0", 0, "x", None, tuple(BatchItem(PoolId(f"r{n}")) for n in range(size + 1)))
    begin = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
    late, *answers = (
        Answer(id_, "ann", AnswerStatus.SUBMITTED, "a", (begin + timedelta(seconds=n)).isoformat())
        for n, id_ in enumerate(batch.external_ids)
    )
    state = apply(
        State(phase=Phase.COLLECT, batches=(batch,)), AnswersCollected(1.0, tuple(answers))
    )
    before = annotators_of(state)["ann"]
    assert before.given[-1] - before.given[0] == KEPT - 1
    withdrawn = replace(late, status=AnswerStatus.WITHDRAWN, value=None)
    for answer, total in ((late, size + 1), (withdrawn, size), (late, size + 1)):
        state = apply(state, AnswersCollected(2.0, (answer,)))
        after = annotators_of(state)["ann"]
        assert after.total == total
        assert (after.given, after.changed) == (before.given, before.changed)
        assert annotators_of(replace(state)) == {"ann": after}
    state = apply(state, AnswersCollected(3.0, (withdrawn,)))
    same_annotators(state)
    newest = replace(answers[-1], status=AnswerStatus.WITHDRAWN, value=None)
    state = apply(state, AnswersCollected(4.0, (late, newest)))
    same_annotators(state)
    assert annotators_of(state)["ann"].given == before.given[:-1], "and not the late one"


def same_annotators(state: State) -> None:
    """What is kept of each annotator, as far as it must be, is what a new walk gives."""
    kept, anew = annotators_of(state), annotators_of(replace(state))
    assert {who: some.counts for who, some in kept.items()} == {
        who: some.counts for who, some in anew.items()
    }
    for who, some in kept.items():
        assert len(some.given) >= min(LEAST, some.total)
        assert some.given[-LEAST:] == anew[who].given[-LEAST:]
        assert some.changed[-LEAST:] == anew[who].changed[-LEAST:]


def test_what_was_answered_before_it_was_known_as_a_copy_counts_for_its_original() -> None:
    batch = Batch("b0000", 0, "x", None, (BatchItem(PoolId("r1")),))
    state = State(phase=Phase.COLLECT, batches=(batch,))
    time = "2026-01-01T00:00:00"
    early = Answer(ExternalId("r1#2"), "ann", AnswerStatus.SUBMITTED, "a", time)
    state = apply(state, AnswersCollected(1.0, (early,)))
    same_as_walked(replace(state, published={}))
    assert consensus.labelled(state) == {"r1#2"}
    again = Batch("b0001", 1, "x", None, (BatchItem(PoolId("r1"), copy_id=ExternalId("r1#2")),))
    later = apply(replace_phase(state, Phase.DECIDE), BatchPlanned(2.0, again, 1.0))
    assert consensus.labelled(later) == {"r1"}
    same_as_walked(later)


def replace_phase(state: State, phase: Phase) -> State:
    """The same state in another phase, with all that was worked out from it."""
    after = replace(state, phase=phase)
    after.derived.follow(state.derived, RunResumed(1.5, "c", ""))
    return after


REACTIONS = st.dictionaries(
    st.tuples(st.integers(0, 7), st.sampled_from(("ann", "bob", "cyd"))),
    st.integers(0, 99),
    min_size=4,
)
"""Seconds at which people answered the eight records of two batches."""


@HOW_OFTEN
def test_how_long_people_waited_is_what_a_walk_gives(examples: int) -> None:
    def check(reactions: dict[tuple[int, str], int]) -> None:
        begin = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
        answers = {
            (ExternalId(f"r{number}"), who): Answer(
                ExternalId(f"r{number}"), who, AnswerStatus.SUBMITTED, "a",
                (begin + timedelta(seconds=seconds)).isoformat(),
            )
            for (number, who), seconds in reactions.items()
        }  # fmt: skip
        batches = tuple(
            Batch(f"b{number}", number, "x", None, items)
            for number, items in enumerate((ITEMS[:5], ITEMS[5:]))
        )
        published = {1: BatchPublished(moment(begin.isoformat()) + 90, "b1", 1.0)}
        state = State(batches=batches, answers=answers, published=published)
        for needed in (1, 2, 3):
            assert waited(state, needed) == walked_loop.waited(state, needed)

    holds(examples, REACTIONS, check)


ITEMS = tuple(BatchItem(PoolId(f"r{number}")) for number in range(8))
