"""In which fields and metadata of a record people see a text, and how it is found again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.annotation import record_schema
from loopd.annotation.label_spelling import LabelSpelling
from loopd.annotation.record_bodies import RecordBodies
from loopd.annotation.record_fields import LONGEST_METADATA, MARKS, RecordLayout, layout_of
from loopd.annotation.record_index import RecordIndex
from loopd.annotation.record_schema import METADATA, MetadataNames
from loopd.config.data import PoolSection
from loopd.data.parts import joined
from loopd.data.pool import Pool
from loopd.records import Batch, BatchItem, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask

TASK = SingleLabelTask(("a", "b"), "label", "text", "Which?")
LAYOUT = RecordLayout(("subject", "body"), ("customer",), ("rank", "score"))


def record(*parts: tuple[str, str], **shown: str) -> Record:
    return Record(PoolId("r1"), joined(parts), parts=tuple(parts), shown=tuple(shown.items()))


def published(some: Record, layout: RecordLayout = LAYOUT) -> dict[str, Any]:
    batch = Batch("b0000", 0, "margin", None, (BatchItem(some.id, 0.5),))
    writer = RecordBodies(TASK, "q", MetadataNames(), "run", LabelSpelling(), layout)
    return writer.new(batch, 0, some, {})


def test_each_part_has_its_field() -> None:
    some = record(("subject", "a <b> & c"), ("body", "x"), customer="Ann", rank="3", score="9")
    sent = published(some)
    assert sent["fields"] == {"subject": "a &lt;b> & c", "body": "x", "customer": "Ann"}
    assert sent["metadata"]["rank"] == "3"
    assert sent["metadata"]["score"] == 0.5  # loopd's own
    assert sent["metadata"]["pool_score"] == "9"


def test_a_first_part_is_never_absent_and_no_other_is_empty() -> None:
    """Argilla wants a field that is required, and takes an empty one."""
    assert published(record(("body", "x")))["fields"] == {"subject": "", "body": "x"}


def test_a_text_of_one_column_stands_in_the_task_s_field() -> None:
    layout = layout_of(PoolSection(path="a.csv", text="body", show=["customer"]), "text")
    sent = published(Record(PoolId("r1"), "x", shown=(("customer", "Ann"),)), layout)
    assert sent["fields"] == {"text": "x", "customer": "Ann"}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@settings(deadline=None)
@given(texts, texts, st.sampled_from(["subject", "R&lt;D", "a & b", "<b>", "&#38;"]))
def test_a_record_is_found_again_by_what_it_shows(subject: str, body: str, name: str) -> None:
    some, layout = record((name, subject), ("body", body)), RecordLayout((name, "body"))
    sent = {**published(some, layout), "id": "x", "external_id": None}
    index = RecordIndex(TASK, Pool((some,)), layout=layout)
    index.add({**sent, "metadata": {}})
    assert index.record_ids == {"r1": "x"}
    changed = {**sent["fields"], "body": f"{sent['fields']['body']}!"}
    index.replace([{**sent, "fields": changed, "metadata": {}}])
    assert not index.record_ids


def test_metadata_are_short() -> None:
    sent = published(record(("body", "x"), rank="r" * 999))
    assert len(sent["metadata"]["rank"]) == LONGEST_METADATA


@pytest.mark.parametrize("name", [*METADATA, *sorted(MARKS)])
def test_no_column_takes_the_place_of_loopd_s_metadata(name: str) -> None:
    layout = RecordLayout(("text",), (), (name,))
    bodies = layout.property_bodies([*METADATA])
    assert [body["name"] for body in bodies] == [f"pool_{name}"]


def test_a_dataset_without_a_part_does_not_fit() -> None:
    fields = LAYOUT.field_bodies()
    questions = [{"name": "label", **TASK.question()}]
    names = MetadataNames()
    assert not record_schema.misfits(TASK, LAYOUT, fields, questions, [], names)
    problems = record_schema.misfits(TASK, LAYOUT, fields[1:], questions, [], names)
    assert problems == [
        "it has no text field `subject`; its fields: `body` (text), `customer` (text)"
    ]
    assert not record_schema.other_required(LAYOUT, fields)
