"""What a sweep tells the journal, and what it must not tell it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loopd.annotation.store import Sweep
from loopd.errors import DatasetError
from loopd.events import AnswersCollected
from loopd.loop.collecting import changes
from loopd.machine import Phase, State, apply
from loopd.records import IMPORT_PREFIX, Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId

BATCH = Batch(
    "b0000",
    0,
    "random",
    None,
    (BatchItem(PoolId("x")), BatchItem(PoolId("y")), BatchItem(PoolId("z"))),
)
EMPTY = State(phase=Phase.COLLECT, batches=(BATCH,))


def answer(record_id: str, value: str, at: str = "2026-01-01T00:00:00", **more: Any) -> Answer:
    return Answer(
        ExternalId(record_id), "ann", AnswerStatus.SUBMITTED, value, at, changed=at, **more
    )


def after(state: State, *answers: Answer, **sweep: Any) -> tuple[AnswersCollected | None, State]:
    event = changes(state, Sweep(answers, sweep.pop("missing", ()), **sweep), 1.0)
    return event, state if event is None else apply(state, event)


X, Y = answer("x", "a"), answer("y", "b")


def values(event: AnswersCollected | None) -> dict[str, Any]:
    assert event is not None
    return {one.external_id: one.value for one in event.answers}


def test_only_what_is_new_is_told() -> None:
    event, state = after(EMPTY, X)
    assert values(event) == {"x": "a"}
    event, state = after(state, X, Y)
    assert values(event) == {"y": "b"}
    assert after(state, X, Y)[0] is None


def test_an_edit_is_news_and_a_touched_time_is_none() -> None:
    state = after(EMPTY, X)[1]
    later = "2026-01-02T00:00:00"
    assert after(state, answer("x", "a", later))[0] is None
    event, state = after(state, answer("x", "b", later))
    assert values(event) == {"x": "b"}
    edited = state.answers[ExternalId("x"), "ann"]
    assert (edited.given, edited.changed) == (X.changed, later)


def test_what_is_taken_back_is_withdrawn_and_what_came_with_the_pool_is_not() -> None:
    state = after(EMPTY, X, replace(Y, annotator=f"{IMPORT_PREFIX}source"))[1]
    event, state = after(state)
    assert values(event) == {"x": None}
    assert state.answers[ExternalId("x"), "ann"].status is AnswerStatus.WITHDRAWN
    assert after(state)[0] is None


def test_a_partial_look_takes_nothing_away() -> None:
    state = after(EMPTY, X, Y)[1]
    assert after(state, X, is_partial=True)[0] is None
    state = after(state, X, missing=("y",))[1]
    assert state.deleted == {"y"}
    assert after(state, X, is_partial=True)[0] is None


def test_a_deleted_record_takes_its_answer_along_and_brings_it_back() -> None:
    state = after(EMPTY, X, Y)[1]
    event, state = after(state, Y, missing=("x",))
    assert event is not None
    assert (event.answers, event.deleted) == ((), ("x",))
    event, state = after(state, X, Y)
    assert event is not None
    assert (event.answers, event.restored, state.deleted) == ((), ("x",), frozenset())


def test_who_has_left_keeps_what_was_said_if_so_configured() -> None:
    state = after(EMPTY, X)[1]
    for keep in (True, False):
        event = changes(state, Sweep((), ()), 1.0, departed=("ann",), keep_departed=keep)
        assert event is not None
        assert event.departed == ("ann",)
        assert [one.external_id for one in event.answers] == ([] if keep else ["x"])


def test_who_only_takes_an_answer_back_has_not_left() -> None:
    bob = replace(Y, annotator="bob")
    state = after(EMPTY, X, bob)[1]
    event = changes(state, Sweep((), ()), 1.0, departed=("ann",))
    assert event is not None
    assert [one.annotator for one in event.answers] == ["bob"]


def test_an_emptied_dataset_is_an_accident() -> None:
    with pytest.raises(DatasetError, match="emptied"):
        after(EMPTY, missing=("x", "y", "z"))
    assert after(EMPTY, missing=("x", "y"))[0] is not None
