"""The checker of guests reports every change of what is not loopd's, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from loopd.annotation import record_schema
from loopd.annotation.argilla_dataset import DatasetPlan
from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.record_bodies import RecordBodies
from loopd.annotation.record_fields import MARKS
from loopd.data.pool import Pool
from loopd.records import Batch, BatchItem, PoolId, Record, Suggestion
from loopd.tasks.single_label import SingleLabelTask
from tests.faults.guests import Deeds, Ours, differences, others, twice
from tests.faults.neighbours import Neighbours
from tests.faults.whole import Entry, Proposal, Reply, Whole, whole
from tests.guard import MARK, NAMES
from tests.live import LiveArgilla

RUN = "4711"
OURS = Ours(texts={"pool text", "new text"}, accounts={"oracle"})
MINE = {"batch_id": "b0000", "round": 0, MARK: RUN}
STRANGER = Entry(
    "x1",
    {"text": "no text of the pool", "note": "a note"},
    {"source": "import"},
    {"label": Proposal("another/agent", "fruit", 0.5, None)},
    {"ann": Reply("submitted", {"label": {"value": "fruit"}})},
    {"sense": [1.0, 2.0]},
)
SHARED = replace(STRANGER, external_id=None, fields={"text": "pool text"}, suggestions={})
PROPOSED = {"label": Proposal("loopd:model", "tool", 0.9, None)}
CREATED = Entry("r2", {"text": "new text"}, MINE, PROPOSED)


def part(name: str, **settings: Any) -> dict[str, Any]:
    return {"id": f"id of {name}", "name": name, "settings": settings}


BEFORE = Whole(
    {"id": "d", "name": "theirs", "guidelines": "Mind the gap."},
    {
        "fields": {"text": part("text"), "note": part("note")},
        "questions": {"label": part("label")},
        "metadata properties": {"source": part("source", type="terms")},
        "vectors' settings": {"sense": part("sense")},
    },
    {"1": STRANGER, "2": SHARED},
)


def run_on(there: Whole) -> Whole:
    """What loopd may do with a dataset: work on one of its records, and add another."""
    worked = replace(SHARED, metadata={**SHARED.metadata, **MINE}, suggestions=PROPOSED)
    properties = {
        **there.parts["metadata properties"],
        **{name: part(name) for name in ("batch_id", "round")},
        MARK: part(MARK, type="terms", values=[RUN, "a name"]),
    }
    return replace(
        there,
        parts={**there.parts, "metadata properties": properties},
        records={**there.records, "2": worked, "3": CREATED},
    )


def with_record(id_: str, **parts: Any) -> Callable[[Whole], Whole]:
    def changed(there: Whole) -> Whole:
        record = replace(there.records.get(id_, CREATED), **parts)
        return replace(there, records={**there.records, id_: record})

    return changed


def with_part(kind: str, name: str, value: Any) -> Callable[[Whole], Whole]:
    def changed(there: Whole) -> Whole:
        parts = {key: one for key, one in there.parts[kind].items() if key != name}
        parts |= {} if value is None else {name: value}
        return replace(there, parts={**there.parts, kind: parts})

    return changed


def without_record(there: Whole) -> Whole:
    return replace(there, records={id_: one for id_, one in there.records.items() if id_ != "1"})


def with_guidelines(there: Whole) -> Whole:
    return replace(there, settings={**there.settings, "guidelines": "Read."})


MARKED = {**SHARED.metadata, **MINE}
OTHER_RUN = {**MINE, MARK: "another"}
PLAYED = {"ann": STRANGER.responses["ann"], "oracle": Reply("submitted", None)}
ANSWERED = {**STRANGER.responses, "bob": Reply("submitted", None)}
CHANGES = {
    "a setting": with_guidelines,
    "a field is gone": with_part("fields", "note", None),
    "a field is new": with_part("fields", "remark", part("remark")),
    "a question is another": with_part("questions", "label", part("label", options=["a"])),
    "a property is gone": with_part("metadata properties", "source", None),
    "a property of a strange name": with_part("metadata properties", "weight", part("weight")),
    "a vector's settings": with_part("vectors' settings", "sense", part("sense", dimensions=3)),
    "a record is gone": without_record,
    "its external id": with_record("1", external_id="r1"),
    "its text": with_record("1", fields={"text": "other words", "note": "a note"}),
    "its second field": with_record("1", fields={"text": STRANGER.fields["text"]}),
    "its metadata are gone": with_record("2", metadata=MINE),
    "its metadata are others": with_record("2", metadata={**MARKED, "source": "loopd"}),
    "metadata on a stranger": with_record("1", metadata=MARKED),
    "metadata without the mark": with_record("2", metadata={"source": "import", "round": 0}),
    "another agent's suggestion": with_record("1", suggestions=PROPOSED),
    "no suggestion any more": with_record("1", suggestions={}),
    "a suggestion of a strange agent": with_record(
        "2", suggestions={"label": Proposal("model", "tool", 0.9, None)}
    ),
    "an answer is another": with_record("1", responses={"ann": Reply("discarded", None)}),
    "an answer is gone": with_record("1", responses={}),
    "an answer of somebody else": with_record("2", metadata=MARKED, responses=ANSWERED),
    "the oracle's on a stranger": with_record("1", responses=PLAYED),
    "vectors are gone": with_record("1", vectors={}),
    "a record that nobody has added": with_record("4", fields={"text": "whatever"}),
    "a record without the mark": with_record("4", metadata={"batch_id": "b0000"}),
    "a record of another run": with_record("4", metadata=OTHER_RUN),
    "a mark of another run": with_part("metadata properties", MARK, part(MARK, values=["2"])),
}


def test_what_loopd_may_do_is_no_difference() -> None:
    assert differences(BEFORE, run_on(BEFORE), OURS) == []
    played = with_record("2", responses=PLAYED, metadata=MARKED, suggestions=PROPOSED)
    assert differences(BEFORE, played(run_on(BEFORE)), OURS) == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_other_change_is_one(change: Callable[[Whole], Whole]) -> None:
    assert differences(BEFORE, change(run_on(BEFORE)), OURS)


def test_what_people_did_must_be_there_as_they_did_it() -> None:
    added = Entry(None, {"text": "added"}, {"source": "them"})
    reply = Reply("submitted", None)
    deeds = Deeds(
        answers={("1", "bob"): reply, ("1", "ann"): None},
        metadata={"2": {"remark": "late"}, "3": {"remark": "later"}},
        added={"4": added},
        removed={"5"},
        settings={"guidelines": "Read."},
    )
    after = with_guidelines(run_on(BEFORE))
    assert len(differences(BEFORE, after, OURS, deeds)) == 5
    after = with_record("1", responses={"bob": reply})(after)
    after = with_record("2", metadata={**MARKED, "remark": "late"})(after)
    after = with_record("3", metadata={**MINE, "remark": "later"})(after)
    after = replace(after, records={**after.records, "4": added})
    assert differences(BEFORE, after, OURS, deeds) == []


def test_a_mark_that_a_person_overwrote_is_not_loopds_doing() -> None:
    """Metadata that were read before loopd published, and written back after it."""
    after = with_record("2", metadata=SHARED.metadata, suggestions=PROPOSED)(run_on(BEFORE))
    assert differences(BEFORE, after, OURS)
    assert differences(BEFORE, after, OURS, Deeds(overwritten={"2"})) == []
    stranger = with_record("1", suggestions=PROPOSED)(run_on(BEFORE))
    assert differences(BEFORE, stranger, OURS, Deeds(overwritten={"1"}))


def test_a_name_that_others_use_is_theirs() -> None:
    theirs = with_record("1", metadata={"source": "import", "round": 7})(BEFORE)
    assert differences(theirs, run_on(theirs), OURS)
    prefixed = {"loopd_batch_id": "b0000", "loopd_round": 0, MARK: RUN}
    worked = with_record("2", metadata={**SHARED.metadata, **prefixed})(theirs)
    worked = with_part("metadata properties", MARK, part(MARK, values=[RUN]))(worked)
    assert differences(theirs, worked, OURS) == []


def test_a_text_is_in_the_dataset_once_and_copies_do_not_count() -> None:
    copy = replace(CREATED, metadata={**MINE, "second_opinion_of": "r2"})
    after = replace(BEFORE, records={"1": SHARED, "3": CREATED, "4": copy})
    assert twice(after) == []
    assert twice(with_record("1", fields={"text": "new text"})(after)) == ["new text"]


def test_the_checker_has_all_of_loopds_names() -> None:
    assert {*record_schema.METADATA, *MARKS} == NAMES
    assert others(run_on(BEFORE)).records.keys() == {"1"}


# -- a store that replaces, on a real Argilla ------------------------------------------------------

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
POOL = Pool((Record(PoolId("r1"), "an apple", "fruit"), Record(PoolId("r2"), "a saw", "tool")))
TEXTS = {record.id: record.text for record in POOL}


def batch(model: str) -> Batch:
    items = tuple(BatchItem(record.id, 0.5, Suggestion("tool", 0.75)) for record in POOL)
    return Batch("b0000", 0, "breaking_ties", model, items)


@pytest.fixture
def neighbours(argilla: LiveArgilla) -> Iterator[Neighbours]:
    """With a record of a pool text under an id of their own, and strangers."""
    people = Neighbours(argilla, f"guests-{uuid.uuid4().hex[:8]}")
    people.make(TASK.question())
    people.settle()
    fields = {"text": POOL[PoolId("r1")].text, "note": "theirs"}
    people.add_record({"fields": fields, "metadata": {"source": "import", "year": 1999}})
    people.look()
    yield people
    people.close()


@pytest.fixture
def store(argilla: LiveArgilla, neighbours: Neighbours) -> Iterator[ArgillaStore]:
    section = argilla.section(neighbours.dataset)
    store = ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1))
    yield store
    store.close()


@pytest.mark.integration
def test_a_store_that_replaces_whole_is_found(
    argilla: LiveArgilla,
    neighbours: Neighbours,
    store: ArgillaStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = Ours(frozenset(TEXTS.values()))
    store.open(POOL, fresh=True)
    store.publish(batch("one"), TEXTS)
    assert neighbours.differences(ours) == []
    real = RecordBodies.new

    def merged(self: RecordBodies, record: Any, renewed: Batch, position: int, text: str) -> Any:
        """As loopd did before: everything is sent, whatever is there."""
        body = real(self, renewed, position, Record(renewed.items[position].record_id, text), {})
        return {**body, "id": record["id"], "external_id": record["external_id"]}

    monkeypatch.setattr(RecordBodies, "merged", merged)
    store.refresh([batch("two")], TEXTS)
    lines = "\n".join(neighbours.differences(ours))
    for name in ("metadata `source` is gone", "metadata `year` is gone", "field `note` is gone"):
        assert name in lines
    assert argilla.guard.losses() or not argilla.guard.plants, "the guard has seen it, too"


@pytest.mark.integration
def test_a_person_and_loopd_in_the_same_moment(
    argilla: LiveArgilla,
    neighbours: Neighbours,
    store: ArgillaStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Argilla takes metadata whole and without a condition: of two who have read, one is lost."""
    ours = Ours(frozenset(TEXTS.values()))
    store.open(POOL, fresh=True)
    record_id = of_the_first_text(neighbours)
    call = neighbours.owner.call

    def published_meanwhile(method: str, path: str, body: Any = None, **params: Any) -> Any:
        answer = call(method, path, body, **params)
        if body == {}:
            store.publish(batch("one"), TEXTS)
        return answer

    monkeypatch.setattr(neighbours.owner, "call", published_meanwhile)
    neighbours.add_metadata(record_id, assigned_to="ann")
    monkeypatch.setattr(neighbours.owner, "call", call)
    assert neighbours.differences(ours) == [], "the person has undone loopd's mark, and knows it"

    publish_while_somebody_adds(store, neighbours, record_id, monkeypatch)
    assert len(neighbours.differences(ours)) == 1
    neighbours.add_metadata(record_id, remark="seen")
    assert len(neighbours.differences(ours)) == 1, "loopd may not have written yet"
    neighbours.do_the_last_again()
    assert neighbours.differences(ours) == [], "the person has done it once more"
    assert argilla.guard.losses() == [], "and has told the guard"


def publish_while_somebody_adds(
    store: ArgillaStore, neighbours: Neighbours, record_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publish a batch; between a record's reading and writing it gets metadata, which is lost."""
    merged = RecordBodies.merged

    def annotated_meanwhile(self: RecordBodies, record: Any, *rest: Any) -> Any:
        if record["id"] == record_id:
            neighbours.add_metadata(record_id, assigned_to="bob")
        return merged(self, record, *rest)

    monkeypatch.setattr(RecordBodies, "merged", annotated_meanwhile)
    store.publish(batch("two"), TEXTS)
    monkeypatch.setattr(RecordBodies, "merged", merged)


@pytest.mark.integration
@pytest.mark.parametrize("then", ["another deed", "removed"])
def test_what_was_lost_and_cannot_be_seen_any_more_is_looked_after_too(
    argilla: LiveArgilla,
    neighbours: Neighbours,
    store: ArgillaStore,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
) -> None:
    store.open(POOL, fresh=True)
    store.publish(batch("one"), TEXTS)
    record_id = of_the_first_text(neighbours)
    publish_while_somebody_adds(store, neighbours, record_id, monkeypatch)
    if then == "removed":
        with argilla.guard.own_hand():
            neighbours.owner.call("DELETE", f"records/{record_id}")
    else:
        neighbours.add_metadata(record_id, assigned_to="cyd")
    neighbours.do_the_last_again()
    assert argilla.guard.losses() == []
    assert neighbours.clashes == (1 if argilla.guard.plants else 0)


@pytest.mark.integration
def test_somebody_removes_a_record_that_somebody_else_is_about_to_change(
    neighbours: Neighbours, store: ArgillaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Ours(frozenset(TEXTS.values()))
    store.open(POOL, fresh=True)
    store.publish(batch("one"), TEXTS)
    record_id, *_ = (
        id_ for id_, one in there(neighbours).records.items() if one.metadata.get("loopd_run")
    )
    call = neighbours.owner.call

    def removed_meanwhile(method: str, path: str, body: Any = None, **params: Any) -> Any:
        if body == {}:
            call("DELETE", f"records/{record_id}")
            neighbours.deeds.removed.add(record_id)
        return call(method, path, body, **params)

    monkeypatch.setattr(neighbours.owner, "call", removed_meanwhile)
    neighbours.add_metadata(record_id, assigned_to="ann")
    assert record_id not in neighbours.deeds.metadata
    monkeypatch.setattr(neighbours.owner, "call", call)
    assert neighbours.differences(ours) == []


def of_the_first_text(neighbours: Neighbours) -> str:
    """The id of the record that people have made of the pool's first text."""
    records = there(neighbours).records.items()
    return next(id_ for id_, one in records if one.fields["text"] == POOL[PoolId("r1")].text)


def there(neighbours: Neighbours) -> Whole:
    whole_now = whole(neighbours.owner, neighbours.dataset)
    assert whole_now is not None
    return whole_now
