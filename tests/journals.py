"""Random journals: every kind of event, in any order that the machine allows."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStopped,
    SettingsAdopted,
    TextsWithdrawn,
)
from loopd.loop.answer_times import moment
from loopd.machine import Phase, State, apply, fold
from loopd.records import IMPORT_PREFIX, Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId

PEOPLE = ("ann", "bob", "cyd", f"{IMPORT_PREFIX}tool")
POOL = tuple(f"r{number}" for number in range(14))
BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
EPOCH = moment(BEGIN.isoformat())


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Events of one run, up to some point."""
    events: list[Event] = [RunStarted(0.0, "c", 1, ("a", "b"), "p", "t", "d", {})]
    state = apply(State(), events[0])
    for _ in range(draw(st.integers(0, 40))):
        event = draw(_next(state, len(events)))
        state = apply(state, event)
        events.append(event)
    return events


def _next(state: State, at: int) -> st.SearchStrategy[Event]:
    """An event that may come now."""
    kinds: dict[Phase, list[st.SearchStrategy[Event]]] = {
        Phase.SEED: [_answers(state, at), _planned(state, at), _recovered(at)],
        Phase.PUBLISH: [_published(state)],
        Phase.COLLECT: [*[_answers(state, at)] * 8, _adopted(at), _collected(state, at)],
        Phase.TRAIN: [
            _answers(state, at),
            *[_trained(state, at)] * 2,
            _planned(state, at),
            st.just(RunStopped(at, "end")),
        ],
        Phase.EVALUATE: [*[_evaluated(state, at)] * 3, _answers(state, at)],
        Phase.DECIDE: [*[_planned(state, at)] * 3, st.just(RunStopped(at, "end"))],
        Phase.DONE: [st.just(RunResumed(float(at), "e", "on"))],
    }
    return st.one_of(*kinds[state.phase] * 4, _withdrawn(at))


def _answers(state: State, at: int) -> st.SearchStrategy[Event]:
    ids = sorted({*state.external_ids, *POOL, "r1#2"})
    second = st.integers(0, 400).map(lambda n: (BEGIN + timedelta(seconds=n)).isoformat())
    answer = st.builds(
        lambda id_, who, status, value, time, later: Answer(
            id_, who, status, value if status is AnswerStatus.SUBMITTED else None, time, later, time
        ),
        st.sampled_from(ids),
        st.sampled_from(PEOPLE),
        st.sampled_from([*[AnswerStatus.SUBMITTED] * 4, *AnswerStatus]),
        st.sampled_from(("a", "b")),
        second,
        second,
    )
    some = st.lists(st.sampled_from(ids), max_size=1, unique=True).map(tuple)
    rarely = st.one_of(*[st.just(())] * 4, some)
    return st.builds(
        AnswersCollected,
        st.just(float(at)),
        st.lists(answer, max_size=6).map(tuple),
        deleted=rarely,
        restored=rarely,
    )


def _published(state: State) -> st.SearchStrategy[Event]:
    """In the time in which people answer."""
    return st.integers(0, 400).map(
        lambda seconds: BatchPublished(EPOCH + seconds, f"b{state.round:04d}", 1.0)
    )


def _items(state: State) -> st.SearchStrategy[tuple[BatchItem, ...]]:
    """New texts, and copies of any text."""
    new = [BatchItem(PoolId(id_)) for id_ in POOL if id_ not in state.planned_ids]
    new += [BatchItem(item.record_id, draw=True) for item in new]
    copies = [
        BatchItem(PoolId(id_), copy_id=ExternalId(copy_id))
        for id_ in POOL
        if (copy_id := _copy_id(id_, state)) is not None
    ]
    return st.lists(
        st.sampled_from(new + copies),
        min_size=1,
        max_size=5,
        unique_by=lambda item: item.external_id,
    ).map(tuple)


def _copy_id(record_id: str, state: State) -> str | None:
    numbers = (f"{record_id}#{number}" for number in range(2, 5))
    return next((id_ for id_ in numbers if id_ not in state.external_ids), None)


def _planned(state: State, at: int) -> st.SearchStrategy[Event]:
    number = state.round + 1
    return _items(state).map(
        lambda items: BatchPlanned(
            float(at), Batch(f"b{number:04d}", number, "x", "m" if number else None, items), 1.0
        )
    )


def _recovered(at: int) -> st.SearchStrategy[Event]:
    return _items(State()).map(
        lambda items: RunRecovered(float(at), (Batch("b0000", 0, "x", None, items),), (1.0,))
    )


def _adopted(at: int) -> st.SearchStrategy[Event]:
    return st.integers(1, 3).map(lambda needed: SettingsAdopted(float(at), needed))


def _withdrawn(at: int) -> st.SearchStrategy[Event]:
    """Of any text: asked, answered, drawn or never heard of, withdrawn before or not."""
    ids = st.lists(st.sampled_from(POOL), min_size=1, max_size=2, unique=True)
    return ids.map(lambda some: TextsWithdrawn(float(at), tuple(map(PoolId, some)), f"p{at}"))


def _collected(state: State, at: int) -> st.SearchStrategy[Event]:
    closed = BatchCollected(float(at), f"b{state.round:04d}", "complete", 0, {"last_answer": 1.0})
    return st.just(closed)


def _trained(state: State, at: int) -> st.SearchStrategy[Event]:
    return st.just(ModelTrained(float(at), state.round, f"m{at}", 2, 0, {}, 1.0))


def _evaluated(state: State, at: int) -> st.SearchStrategy[Event]:
    said = st.dictionaries(st.sampled_from(POOL), st.sampled_from(("a", "b")), max_size=4)
    since = st.sampled_from([None, *state.predicted])
    return st.builds(
        lambda predicted, before: RoundEvaluated(
            float(at), state.round, {}, {}, "", "c", 1.0, 1.0, (), {}, predicted, before
        ),
        said,
        since,
    )


def begun_with(pool: str, test: str = "") -> State:
    """What a journal says after its first event.

    Args:
        pool: fingerprint of the pool.
        test: fingerprint of the test set; empty without one.
    """
    return fold([RunStarted(0.0, "c", 1, ("a", "b"), pool, test, "d", {})])
