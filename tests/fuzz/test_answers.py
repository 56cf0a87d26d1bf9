"""Whatever Argilla says that somebody answered: an answer or none, and the journal takes it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import strategies as st

from loopd.annotation import record_schema
from loopd.annotation.label_spelling import LabelSpelling
from loopd.config import TaskSection
from loopd.events import AnswersCollected
from loopd.records import AnswerStatus, ExternalId, Span, Target
from loopd.storage.codec import decode, encode
from loopd.tasks.registry import build_task
from loopd.tasks.task import Task
from tests.fuzz.properties import HOW_OFTEN, JSON, SCALARS, TEXTS, holds, mixed

LABELS = ["a", "b", "<b>", "😀"]

TASKS = {
    kind: build_task(TaskSection.model_validate({"type": kind, "labels": LABELS, **more}))
    for kind, more in {
        "single_label": {},
        "multi_label": {"none_label": "none"},
        "spans": {},
    }.items()
}

LABEL = st.one_of(st.sampled_from([*LABELS, "none", "c"]), JSON)
PLACE = st.one_of(st.integers(-2, 8), SCALARS)
SPAN = st.one_of(
    st.fixed_dictionaries({"start": PLACE, "end": PLACE, "label": LABEL}, optional={"x": JSON}),
    JSON,
)
VALUE = st.one_of(LABEL, st.lists(LABEL, max_size=4), st.lists(SPAN, max_size=3), JSON)
VALUES = st.one_of(
    st.fixed_dictionaries({"label": st.fixed_dictionaries({"value": VALUE})}),
    st.fixed_dictionaries({"label": JSON}),
    JSON,
)
RESPONSE = st.fixed_dictionaries(
    {
        "status": mixed("submitted", "submitted", "discarded", "draft"),
        "user_id": st.sampled_from(["u1", 7]),
        "inserted_at": st.just("2026-01-01T00:00:00"),
        "updated_at": st.just("2026-01-01T00:00:01"),
        "values": VALUES,
    }
)
FIELD = st.one_of(TEXTS, st.none())


@pytest.mark.parametrize("kind", TASKS)
@HOW_OFTEN
def test_a_response_is_an_answer_or_none(kind: str, examples: int) -> None:
    task = TASKS[kind]

    def check(given: tuple[dict[str, Any], str | None]) -> None:
        response, text = given
        shown = None if text is None else record_schema.field_text(task, text)
        record = {"external_id": "r1", "fields": {"text": shown}}
        answer = record_schema.answer(task, record, response, ExternalId("r1"), LabelSpelling())
        if answer is None:
            assert response["status"] not in ("submitted", "discarded")
            return
        event = AnswersCollected(1.0, (answer,), (), ())
        name, payload = encode(event)
        assert payload.encode("utf-8")
        assert decode(name, payload) == event
        target = task.target(answer.value) if answer.status is AnswerStatus.SUBMITTED else None
        assert (target is not None) == (answer.status is AnswerStatus.SUBMITTED)
        if target is not None:
            _is_sound(task, target, text or "")

    holds(examples, st.tuples(RESPONSE, FIELD), check)


def _is_sound(task: Task, target: Target, text: str) -> None:
    """A target that a model can learn, and that Argilla would take as a suggestion."""
    if isinstance(target, str):
        assert target in task.labels
        return
    spans = [each for each in target if isinstance(each, Span)]
    assert {each.label if isinstance(each, Span) else each for each in target} <= set(task.labels)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(first.end <= second.start for first, second in pairwise(spans))
    assert json.dumps(task.value(target))


@pytest.mark.parametrize("kind", TASKS)
@HOW_OFTEN
def test_a_value_is_a_target_or_none(kind: str, examples: int) -> None:
    task = TASKS[kind]

    def check(value: Any) -> None:
        target = task.target(value)
        assert task.is_valid(value) == (target is not None)
        if target is not None:
            assert task.target(task.value(target)) == target

    holds(examples, VALUE, check)
