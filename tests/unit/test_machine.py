"""The machine: every transition, folding, and that nothing else is allowed."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import pytest

from loopd.errors import JournalError
from loopd.events import (
    BEFORE,
    OPENING,
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    PoolChanged,
    PoolGrew,
    RecordsReopened,
    RoundEvaluated,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStopped,
    SettingsAdopted,
    TextsWithdrawn,
)
from loopd.folding import joined
from loopd.machine import TRANSITIONS, Phase, State, apply, fold
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId, Targets

STARTED = RunStarted(1.0, "c", 1, ("a", "b"), "p", "t", "d", {})
PLANNED = BatchPlanned(2.0, Batch("b0000", 0, "random", None, (BatchItem(PoolId("x")),)), 0.1)
EVALUATED = RoundEvaluated(7.0, 0, {}, {}, "", "c", 0.1, 0.1)
STOPPED = RunStopped(8.0, "max_rounds")
PUBLISHED = BatchPublished(3.0, "b0000", 0.1)
COLLECTED = BatchCollected(5.0, "b0000", "complete", 0)
TRAINED = ModelTrained(6.0, 0, "m", 1, 0, {"a": 1}, 0.1)
EVENTS: dict[type[Event], Event] = {
    RunStarted: STARTED,
    BatchPlanned: PLANNED,
    BatchPublished: PUBLISHED,
    AnswersCollected: AnswersCollected(4.0, ()),
    RecordsReopened: RecordsReopened(4.2, (ExternalId("x"),)),
    SettingsAdopted: SettingsAdopted(4.5, 2),
    PoolChanged: PoolChanged(4.6, 2, "q", gone=(PoolId("y"),)),
    PoolGrew: PoolGrew(4.7, "new.csv", "i", "p", 3, 2, 1, 0),
    TextsWithdrawn: TextsWithdrawn(4.8, (PoolId("y"),), "w"),
    BatchCollected: COLLECTED,
    ModelTrained: TRAINED,
    RoundEvaluated: EVALUATED,
    RunStopped: STOPPED,
    RunResumed: RunResumed(9.0, "d", "note"),
    RunRecovered: RunRecovered(
        9.0, (Batch("b0000", 0, "s", None, (BatchItem(PoolId("x")),)),), (4.0,)
    ),
}


BY_HAND = """
new       RunStarted        seed
seed      AnswersCollected  seed
seed      ModelTrained      evaluate
seed      BatchPlanned      publish
seed      RunStopped        done
seed      RunRecovered      collect
seed      RunResumed        seed
seed      PoolChanged       seed
seed      PoolGrew          seed
seed      TextsWithdrawn    seed
publish   BatchPublished    collect
publish   RunResumed        publish
publish   PoolChanged       publish
publish   PoolGrew          publish
publish   TextsWithdrawn    publish
collect   AnswersCollected  collect
collect   RecordsReopened   collect
collect   SettingsAdopted   collect
collect   BatchCollected    train
collect   RunResumed        collect
collect   PoolChanged       collect
collect   PoolGrew          collect
collect   TextsWithdrawn    collect
train     AnswersCollected  train
train     ModelTrained      evaluate
train     BatchPlanned      publish
train     RunStopped        done
train     RunResumed        train
train     PoolChanged       train
train     PoolGrew          train
train     TextsWithdrawn    train
evaluate  AnswersCollected  train
evaluate  RoundEvaluated    decide
evaluate  RunResumed        train
evaluate  PoolChanged       train
evaluate  PoolGrew          train
evaluate  TextsWithdrawn    train
decide    AnswersCollected  decide
decide    BatchPlanned      publish
decide    RunStopped        done
decide    RunResumed        decide
decide    PoolChanged       decide
decide    PoolGrew          decide
decide    TextsWithdrawn    decide
done      RunResumed        decide
done      PoolChanged       decide
done      PoolGrew          decide
done      TextsWithdrawn    done
"""
"""Phase, event and the phase after it, written out once more: the machine must not judge itself."""

EXPECTED = {
    (phase, name): after for phase, name, after in map(str.split, BY_HAND.split("\n")[1:-1])
}


@pytest.mark.parametrize(("phase", "kind"), list(itertools.product(Phase, EVENTS)))
def test_only_the_listed_transitions_are_allowed(phase: Phase, kind: type[Event]) -> None:
    batch = PLANNED.batch
    state = State(phase=phase, batches=(batch,), evaluated={0: EVALUATED})
    target = EXPECTED.get((phase.value, kind.__name__))
    if target is None:
        with pytest.raises(JournalError, match="not allowed"):
            apply(state, EVENTS[kind])
    else:
        assert apply(state, EVENTS[kind]).phase.value == target


def test_every_event_has_an_example() -> None:
    assert set(EVENTS) == set(get_args(Event))
    assert {name for _, name in EXPECTED} == {kind.__name__ for kind in EVENTS}


def test_a_round_in_order_ends_in_decide() -> None:
    others = (RunStopped, RunResumed, RunRecovered)
    state = fold(event for kind, event in EVENTS.items() if kind not in others)
    assert state.phase is Phase.DECIDE
    assert state.round == 0
    assert state.planned_ids == {"x"}
    assert state.trained[0].model_id == "m"


def test_what_argilla_asks_for_stays_unless_the_configuration_changes() -> None:
    run: list[Event] = [STARTED, PLANNED, PUBLISHED, SettingsAdopted(4.5, 2)]
    same = RunResumed(9.0, STARTED.config_digest, "an encoder or a recipe changed", "other")
    assert fold([*run, same]).min_submitted == 2
    assert (
        fold([*run, RunResumed(9.0, "another", "the configuration changed")]).min_submitted is None
    )


def test_a_run_without_a_batch_says_so() -> None:
    state = fold([STARTED])
    assert state.round == BEFORE == -1
    with pytest.raises(JournalError, match="the journal holds no batch yet"):
        _ = state.batch


def test_an_event_counts_for_the_batch_that_it_names() -> None:
    """Also where that is not the last one; a batch that nobody planned is damage."""
    batches = tuple(
        Batch(f"b{number:04d}", number, "s", None, (BatchItem(PoolId(f"r{number}")),))
        for number in range(3)
    )
    for batch in batches:
        named = BatchPublished(9.0, batch.id, 0.5)
        state = apply(State(phase=Phase.PUBLISH, batches=batches), named)
        assert state.published == {batch.round: named}
        closed = BatchCollected(9.5, batch.id, "complete", 0)
        assert apply(state, closed).collected == {batch.round: closed}
    for unknown in (BatchPublished(9.0, "b0003", 0.5), BatchCollected(9.0, "b0003", "complete", 0)):
        phase = Phase.PUBLISH if isinstance(unknown, BatchPublished) else Phase.COLLECT
        with pytest.raises(JournalError, match="the journal holds no batch b0003") as caught:
            apply(State(phase=phase, batches=batches), unknown)
        assert type(caught.value) is JournalError  # no NewerError: an update would not help


def test_a_round_before_the_first_batch_is_measured_and_does_not_count() -> None:
    first: list[Event] = [replace(TRAINED, round=BEFORE), replace(EVALUATED, round=BEFORE)]
    state = fold([STARTED, *first])
    assert (state.phase, state.round, state.rounds_measured) == (Phase.DECIDE, BEFORE, 0)
    opening = replace(COLLECTED, reason=OPENING)
    rest: list[Event] = [PLANNED, PUBLISHED, opening, TRAINED, EVALUATED]
    assert fold([STARTED, *first, *rest]).rounds_measured == 0
    whole: list[Event] = [PLANNED, PUBLISHED, COLLECTED, TRAINED, EVALUATED]
    assert fold([STARTED, *first, *whole]).rounds_measured == 1


def test_a_recovered_run_collects_and_counts_the_rounds_whose_measures_are_lost() -> None:
    models = (None, None, "m1", "m2", None)
    batches = tuple(
        Batch(f"b{number:04d}", number, "s", model, (BatchItem(PoolId(f"r{number}")),))
        for number, model in enumerate(models)
    )
    lost = RunRecovered(9.0, batches, (1.0, None, 2.0, 3.0, 4.0))
    state = fold([STARTED, lost])
    assert (state.phase, state.round, state.batches) == (Phase.COLLECT, 4, batches)
    assert {number: each.at for number, each in state.published.items()} == {
        0: 1.0,
        2: 2.0,
        3: 3.0,
        4: 4.0,
    }
    assert state.rounds_measured == 2
    rounds: list[Event] = [
        BatchCollected(9.0, "b0004", "complete", 0),
        ModelTrained(9.0, 4, "m", 1, 0, {}, 0.1),
    ]
    evaluated = RoundEvaluated(9.0, 4, {}, {}, "", "c", 0.1, 0.1)
    assert fold([STARTED, lost, *rounds, evaluated]).rounds_measured == 3


def test_a_newer_answer_of_the_same_person_replaces_the_older() -> None:
    state = State(phase=Phase.COLLECT)
    for value in ("a", "b"):
        answer = Answer(ExternalId("x"), "ann", AnswerStatus.SUBMITTED, value, "t")
        state = apply(state, AnswersCollected(1.0, (answer,)))
    assert [answer.value for answer in state.answers.values()] == ["b"]


def test_deleted_records_come_back() -> None:
    state = apply(
        State(phase=Phase.COLLECT),
        AnswersCollected(1.0, (), deleted=(ExternalId("x"), ExternalId("y"))),
    )
    assert state.deleted == {"x", "y"}
    assert apply(state, AnswersCollected(2.0, (), restored=(ExternalId("x"),))).deleted == {"y"}


def test_people_whose_accounts_come_back_are_there_again() -> None:
    state = apply(State(phase=Phase.COLLECT), AnswersCollected(1.0, (), departed=("ann", "bob")))
    assert state.departed == {"ann", "bob"}
    assert apply(state, AnswersCollected(2.0, (), returned=("ann",))).departed == {"bob"}


def test_resuming_a_run_that_ended_without_a_model_looks_for_answers_again() -> None:
    batch = PLANNED.batch
    state = apply(State(phase=Phase.DONE, batches=(batch,)), EVENTS[RunResumed])
    assert state.phase is Phase.COLLECT


def test_resuming_a_run_that_ended_before_its_first_batch_begins_with_it() -> None:
    assert apply(State(phase=Phase.DONE), EVENTS[RunResumed]).phase is Phase.SEED


def test_copies_are_no_new_texts() -> None:
    items = (BatchItem(PoolId("x")), BatchItem(PoolId("y"), copy_id=ExternalId("y#2")))
    state = State(batches=(Batch("b0000", 0, "activelab", None, items),))
    assert state.batch.record_ids == ("x", "y")
    assert state.batch.external_ids == ("x", "y#2")
    assert state.planned_ids == {"x"}
    assert state.external_ids == {"x", "y#2"}
    assert state.originals == {"x": "x", "y#2": "y"}


def test_resuming_a_finished_run_decides_again() -> None:
    order = [kind for kind in EVENTS if kind not in (RunResumed, RunRecovered)]
    done = fold(EVENTS[kind] for kind in order)
    assert done.phase is Phase.DONE
    state = apply(done, EVENTS[RunResumed])
    assert state.phase is Phase.DECIDE
    assert state.stopped is None
    assert state.config_digest == "d"


def test_a_pool_that_changes_is_remembered_and_wakes_a_run_that_is_over() -> None:
    begun = fold(EVENTS[kind] for kind in (RunStarted, PoolChanged))
    assert (begun.pool_fingerprint, begun.gone, begun.phase) == ("q", frozenset({"y"}), Phase.SEED)
    again = apply(begun, PoolChanged(5.0, 0, "q", gone=(PoolId("z"),), back=(PoolId("y"),)))
    assert again.gone == {"z"}
    done = State(
        phase=Phase.DONE,
        batches=(PLANNED.batch,),
        evaluated={0: EVALUATED},
        stopped=STOPPED,
    )
    woken = apply(done, EVENTS[PoolChanged])
    assert (woken.phase, woken.stopped) == (Phase.DECIDE, None)


def test_a_pool_that_grows_tells_its_size_and_wakes_a_run_that_is_over() -> None:
    begun = fold([replace(STARTED, texts=3)])
    assert (begun.texts, begun.intakes) == (3, ())
    grown = apply(begun, EVENTS[PoolGrew])
    assert (grown.texts, grown.pool_fingerprint, grown.phase) == (5, "p", Phase.SEED)
    again = apply(grown, PoolGrew(5.0, "more.csv", "j", "q", 5, 4))
    assert (again.texts, len(again.intakes)) == (9, 2)
    woken = apply(replace(again, phase=Phase.DONE, stopped=STOPPED), EVENTS[PoolGrew])
    assert (woken.phase, woken.stopped) == (Phase.SEED, None)


def test_a_withdrawn_text_leaves_nothing_but_its_id() -> None:
    item, other = (BatchItem(PoolId(name)) for name in ("x", "z"))
    copy = BatchItem(PoolId("x"), copy_id=ExternalId("x#2"))
    batch = Batch("b0000", 0, "s", None, (item, other, copy))
    given = tuple(
        Answer(ExternalId(id_), "ann", AnswerStatus.SUBMITTED, "a", "t")
        for id_ in ("x", "x#2", "z", "never asked")
    )
    begun: list[Event] = [replace(STARTED, texts=4), BatchPlanned(2.0, batch, 0.1)]
    state = fold([*begun, BatchPublished(3.0, "b0000", 0.1), AnswersCollected(4.0, given)])
    ids = (PoolId("x"), PoolId("never asked"))
    after = apply(state, TextsWithdrawn(5.0, ids, "w"))
    assert {key[0] for key in after.answers} == {"z"}
    assert after.withdrawn == after.gone == set(ids)
    assert after.deleted == {"x", "x#2", "never asked"}
    assert (after.pool_fingerprint, after.texts, after.phase) == ("w", 4, state.phase)
    again = apply(after, AnswersCollected(6.0, given, restored=(ExternalId("x"),)))
    assert (set(again.answers), again.deleted) == (set(after.answers), after.deleted)
    grown = apply(again, PoolGrew(7.0, "new.csv", "i", "q", 4, 1))
    assert (grown.pool_fingerprint, grown.texts) == ("q", 5)


def test_a_run_that_is_over_stays_so_when_texts_are_withdrawn() -> None:
    for evaluated in ({}, {0: EVALUATED}):
        state = State(phase=Phase.DONE, stopped=STOPPED, evaluated=evaluated)
        after = apply(state, TextsWithdrawn(5.0, (PoolId("x"),), "w"))
        assert (after.phase, after.stopped) == (Phase.DONE, STOPPED)


def test_every_phase_is_reachable_and_leads_on() -> None:
    reached = {Phase.NEW}
    for _ in Phase:
        reached |= {target for phase in reached for target in TRANSITIONS[phase].values()}
    assert reached == set(Phase)
    assert all(TRANSITIONS[phase] for phase in Phase)


def test_a_round_may_say_only_what_its_model_says_otherwise() -> None:
    """Journals of older versions say everything each time."""

    def measured(number: int, said: Mapping[str, str], since: int | None = None) -> RoundEvaluated:
        by_id: Targets = {PoolId(id_): label for id_, label in said.items()}
        return RoundEvaluated(
            7.0, number, {}, {}, "", "c", 0.1, 0.1, predicted=by_id, predicted_since=since
        )

    def after(state: State, event: RoundEvaluated) -> State:
        return apply(replace(state, phase=Phase.EVALUATE), event)

    first = after(State(), measured(0, {"x": "a", "y": "b"}))
    second = after(first, measured(1, {"x": "b", "z": "a"}, since=0))
    third = after(second, measured(2, {"x": "a"}))
    fourth = after(third, measured(3, {}, since=2))
    assert third.predicted == {
        0: {"x": "a", "y": "b"},
        1: {"x": "b", "y": "b", "z": "a"},
        2: {"x": "a"},
    }
    assert fourth.predicted[3] == {"x": "a"}
    assert first.predicted == {0: {"x": "a", "y": "b"}}
    with pytest.raises(JournalError, match="no round 7"):
        after(first, measured(8, {}, since=7))


def test_answers_that_come_one_after_the_other_are_folded_at_once() -> None:
    """Not those that come with anything else."""
    one, other = (
        AnswersCollected(at, (Answer(ExternalId(id_), "ann", AnswerStatus.SUBMITTED, "a", "t"),))
        for at, id_ in ((5.0, "x"), (4.0, "y"))
    )
    gone = AnswersCollected(6.0, (), deleted=(ExternalId("x"),))
    events: list[Event] = [STARTED, one, other, gone, one, PLANNED, other]
    assert list(joined(events)) == [
        STARTED,
        AnswersCollected(5.0, one.answers + other.answers),
        gone,
        one,
        PLANNED,
        other,
    ]


def test_look_ups_that_were_asked_for_before_a_recovery_are_made_anew() -> None:
    state = fold([STARTED])
    assert state.planned_ids == set()
    recovered = apply(state, EVENTS[RunRecovered])
    assert recovered.planned_ids == {"x"}
    assert recovered.originals == {"x": "x"}
    assert state.planned_ids == set()
