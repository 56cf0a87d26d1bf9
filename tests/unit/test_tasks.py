"""Kinds of tasks: what an answer means, and what Argilla is shown."""

from __future__ import annotations

import pytest

from loopd.config import TaskSection
from loopd.records import JsonValue, Span, Suggestion
from loopd.tasks.multi_label import MultiLabelTask
from loopd.tasks.registry import build_task
from loopd.tasks.spans import SpanTask
from loopd.tasks.task import Task

LABELS = ("red", "green", "blue")
NONE = "None of these"
TOPICS = MultiLabelTask(LABELS, "label", "text", "Which?", NONE)
NAMES = SpanTask(LABELS, "label", "text", "Mark")


def span(start: int, end: int, label: str) -> JsonValue:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    ("task", "value", "target"),
    [
        (TOPICS, ["blue", "red"], ("red", "blue")),
        (TOPICS, [NONE], ()),
        (TOPICS, [NONE, "red"], None),
        (TOPICS, [], None),
        (TOPICS, ["pink"], None),
        (TOPICS, "red", None),
        (TOPICS, [["red"]], None),
        (NAMES, [], ()),
        (NAMES, None, ()),
        (NAMES, [span(4, 6, "red"), span(0, 3, "blue")], (Span(0, 3, "blue"), Span(4, 6, "red"))),
        (NAMES, [span(0, 3, "red"), span(2, 4, "red")], None),
        (NAMES, [span(0, 3, "red"), span(3, 4, "red")], (Span(0, 3, "red"), Span(3, 4, "red"))),
        (NAMES, [span(3, 3, "red")], None),
        (NAMES, [span(-1, 3, "red")], None),
        (NAMES, [span(0, 3, "pink")], None),
        (NAMES, ["red"], None),
        (NAMES, [{"start": True, "end": "3", "label": "red"}], None),
    ],
)
def test_what_a_value_means(task: Task, value: JsonValue, target: object) -> None:
    assert task.target(value) == target
    assert task.is_valid(value) == (target is not None)


@pytest.mark.parametrize(
    ("task", "target"),
    [(TOPICS, ("red",)), (TOPICS, ()), (NAMES, ()), (NAMES, (Span(1, 3, "green"),))],
)
def test_a_target_comes_back_from_its_value(task: Task, target: tuple[Span, ...]) -> None:
    assert task.target(task.value(target)) == target


def test_suggestions_have_a_score_for_each_part() -> None:
    assert TOPICS.suggestion(Suggestion(("red", "blue"), (0.9, 1.0000001))) == {
        "value": ["red", "blue"],
        "score": [0.9, 1.0],
    }
    assert TOPICS.suggestion(Suggestion((), (0.7,))) == {"value": [NONE], "score": [0.7]}
    assert NAMES.suggestion(Suggestion((Span(0, 2, "red"),), (0.5,))) == {
        "value": [span(0, 2, "red")],
        "score": [0.5],
    }
    assert NAMES.suggestion(Suggestion((), ())) is None


def test_questions_of_another_kind_do_not_fit() -> None:
    for task in (TOPICS, NAMES):
        assert task.misfits(task.question()) == []
    assert "is a span" in TOPICS.misfits(NAMES.question())[0]
    other = {**NAMES.question(), "settings": {**NAMES.question()["settings"], "field": "title"}}
    assert "in the field `title`" in NAMES.misfits(other)[0]
    loose = {**NAMES.question()["settings"], "allow_overlapping": True}
    assert "overlapping" in NAMES.misfits({"settings": loose})[0]
    lacking = MultiLabelTask(LABELS, "label", "text", "Which?").question()
    assert NONE in TOPICS.misfits(lacking)[0]


def test_the_title_fits_the_kind_unless_given() -> None:
    asked = build_task(TaskSection(type="spans", labels=("a",))).question()
    assert asked["title"] == "Mark the spans."
    own = build_task(TaskSection(type="multi_label", labels=("a", "b"), title="Mine")).question()
    assert own["title"] == "Mine"
