"""What is sent for a record of others, and which records are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.annotation import run_mark
from loopd.annotation.escaping import shown
from loopd.annotation.label_spelling import LabelSpelling
from loopd.annotation.record_bodies import RecordBodies
from loopd.annotation.record_fields import RecordLayout
from loopd.annotation.record_schema import MetadataNames
from loopd.errors import DatasetError
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Span, Suggestion
from loopd.tasks.single_label import SingleLabelTask
from loopd.tasks.spans import SpanTask
from loopd.tasks.task import Task

LABEL = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
NAMES = SpanTask(("fruit", "tool"), "label", "text", "Mark")
R1 = ExternalId("r1")


def bodies(task: Task = LABEL) -> RecordBodies:
    layout = RecordLayout((task.field_name,))
    return RecordBodies(task, "q", MetadataNames(), "our run", LabelSpelling(), layout)


def record(text: str, **metadata: str) -> dict[str, Any]:
    return {"id": "1", "external_id": "r1", "fields": {"text": text}, "metadata": metadata}


def proposing(*spans: Span) -> Batch:
    item = BatchItem(PoolId("r1"), 0.5, Suggestion(spans, tuple(0.75 for _ in spans)))
    return Batch("b0000", 0, "breaking_ties", "m", (item,))


@pytest.mark.parametrize("metadata", [{}, {run_mark.PROPERTY: "our run"}, {"topic": "trees"}])
def test_a_record_of_the_run_or_of_nobody_is_worked_on(metadata: dict[str, str]) -> None:
    bodies().refuse_taken(record("an apple", **metadata), R1, "an apple")
    bare = {**record("an apple"), "metadata": None}
    bodies().refuse_taken(bare, R1, "an apple")


def test_a_record_of_another_run_is_refused_by_its_name() -> None:
    """Two runs that rank one record would show people now this order and now that."""
    taken = record("an apple", **{run_mark.PROPERTY: "another run"})
    with pytest.raises(DatasetError) as caught:
        bodies().refuse_taken(taken, R1, "an apple")
    assert caught.value.message == "the record `r1` belongs to another run of loopd"
    assert "each needs an argilla.dataset of its own" in caught.value.hint


def test_a_record_that_shows_another_text_is_refused_by_its_name() -> None:
    with pytest.raises(DatasetError, match="another text under the id `r1`") as caught:
        bodies().refuse_taken(record("a spade"), R1, "an apple")
    assert "somebody put it there" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "span", "is_sent"),
    [
        ("an apple", Span(3, 8, "fruit"), True),
        ("a 🍎 apple", Span(4, 9, "fruit"), False),
        ("a 🍎 apple", Span(2, 3, "fruit"), True),
        ("apple 🍎", Span(6, 7, "fruit"), False),
    ],
)
def test_spans_that_argilla_would_refuse_are_not_proposed_on_a_record_of_others(
    text: str, span: Span, *, is_sent: bool
) -> None:
    """The page counts an emoji twice and the server once; loopd pads the texts of its own records.

    One such record must not keep its whole batch from people: it comes without a proposal.
    """
    batch, writer = proposing(span), bodies(NAMES)
    theirs = writer.merged(record(text, topic="trees"), batch, 0, text)
    assert ("suggestions" in theirs) == is_sent
    assert theirs["metadata"]["batch_id"] == "b0000"
    assert theirs["metadata"]["topic"] == "trees"
    own = writer.merged(record(shown(text, spans=True)), batch, 0, text)
    (proposal,) = own["suggestions"]
    assert [entry["label"] for entry in proposal["value"]] == ["fruit"]


def test_one_span_too_far_behind_keeps_all_of_them_back() -> None:
    """A proposal without it would say that the model marks nothing there."""
    text = "a 🍎 apple"
    batch = proposing(Span(0, 1, "tool"), Span(4, 9, "fruit"))
    assert "suggestions" not in bodies(NAMES).merged(record(text), batch, 0, text)


def test_a_text_field_that_is_empty_gets_no_spans() -> None:
    batch = proposing(Span(3, 8, "fruit"))
    emptied = {**record(""), "fields": {"text": None}}
    assert "suggestions" not in bodies(NAMES).merged(emptied, batch, 0, "an apple")
