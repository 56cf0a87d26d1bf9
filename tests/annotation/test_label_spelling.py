"""A dataset of others may compose the letters of a label otherwise: no answer is lost for it."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from loopd.annotation.label_spelling import LabelSpelling, spelling
from loopd.annotation.record_schema import answer
from loopd.records import AnswerStatus, ExternalId, JsonValue
from loopd.tasks.multi_label import MultiLabelTask
from loopd.tasks.single_label import SingleLabelTask
from loopd.tasks.spans import SpanTask
from loopd.tasks.task import Task

PEAR, TOOL = normalize("NFC", "pèche"), "tool"
THEIRS = normalize("NFD", PEAR) + " "
LABELS = (PEAR, TOOL)
SPELLED = spelling(LABELS, [THEIRS, TOOL])


def span(label: JsonValue, start: int = 0, end: int = 2) -> dict[str, JsonValue]:
    return {"start": start, "end": end, "label": label}


VALUES: list[tuple[JsonValue, JsonValue]] = [
    (PEAR, THEIRS),
    (TOOL, TOOL),
    ([TOOL, PEAR], [TOOL, THEIRS]),
    ([], []),
    (span(PEAR), span(THEIRS)),
    ([span(TOOL), span(PEAR, 3, 5)], [span(TOOL), span(THEIRS, 3, 5)]),
    ({"start": 0, "end": 2}, {"start": 0, "end": 2}),
    (span(None), span(None)),
    (None, None),
    (3, 3),
    (True, True),
]
"""In the task's spelling and in theirs."""


@pytest.mark.parametrize(("ours", "theirs"), VALUES)
def test_a_value_of_any_kind_is_respelled_both_ways(ours: JsonValue, theirs: JsonValue) -> None:
    assert SPELLED.write(ours) == theirs
    assert SPELLED.read(theirs) == ours


def test_what_is_sent_is_no_part_of_what_is_journaled() -> None:
    """Respelling makes a new value: the suggestion of a batch must stay as it was planned."""
    planned: list[JsonValue] = [span(PEAR)]
    SPELLED.write(planned)
    assert planned == [span(PEAR)]


def test_where_all_is_spelled_alike_values_pass_as_they_are() -> None:
    alike = spelling(LABELS, LABELS)
    assert alike == LabelSpelling()
    value: JsonValue = [span(THEIRS)]
    assert alike.read(value) is value


TASKS: list[tuple[Task, JsonValue, JsonValue]] = [
    (SingleLabelTask(LABELS, "label", "text", "Which?"), THEIRS, PEAR),
    (MultiLabelTask(LABELS, "label", "text", "Which?", "None"), [THEIRS, TOOL], [PEAR, TOOL]),
    (SpanTask(LABELS, "label", "text", "Mark"), [span(THEIRS)], [span(PEAR)]),
]


@pytest.mark.parametrize(("task", "clicked", "heard"), TASKS, ids=lambda one: str(one)[:9])
def test_an_answer_in_their_spelling_is_valid(
    task: Task, clicked: JsonValue, heard: JsonValue
) -> None:
    record = {"fields": {"text": "an apple"}}
    response = {
        "status": "submitted",
        "user_id": "ann",
        "values": {"label": {"value": clicked}},
        "inserted_at": "t0",
        "updated_at": "t1",
    }
    read = answer(task, record, response, ExternalId("r1"), SPELLED)
    assert read is not None
    assert (read.status, read.value) == (AnswerStatus.SUBMITTED, heard)
    plain = answer(task, record, response, ExternalId("r1"), LabelSpelling())
    assert plain is not None
    assert plain.status is AnswerStatus.INVALID
