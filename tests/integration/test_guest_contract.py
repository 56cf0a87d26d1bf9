"""The store is a guest: what others have put into the dataset is merged with, never replaced."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation import maker_mark
from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.record_schema import METADATA
from loopd.annotation.run_mark import PROPERTY
from loopd.annotation.store import AnnotationStore
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, PoolId, Record, Suggestion
from loopd.tasks.registry import build_task
from loopd.tasks.single_label import SingleLabelTask
from tests.integration.conftest import LABEL, Api, Made, item
from tests.live import LiveArgilla
from tests.servers import ENGINE, MANY_LABELS

pytestmark = pytest.mark.integration

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
POOL = Pool(
    (
        Record(PoolId("r1"), "an apple"),
        Record(PoolId("r2"), "a <b>bold</b> saw & more"),
        Record(PoolId("r3"), "a pear"),
        Record(PoolId("r4"), "a spade"),
    )
)
Json = dict[str, Any]
MakeStore = Callable[[str], ArgillaStore]


@pytest.fixture
def make_store(argilla: LiveArgilla) -> Iterator[MakeStore]:
    stores: list[ArgillaStore] = []

    def make(dataset: str) -> ArgillaStore:
        section = argilla.section(dataset)
        stores.append(ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def theirs(api: Api) -> Made:
    """A team's dataset: more fields, questions and metadata, vectors, another agent's proposals."""
    dataset = api.draft(name := f"theirs-{uuid.uuid4().hex[:8]}")
    api.add_field(dataset, "text")
    api.add_field(dataset, "source text", required=False)
    api.add_question(dataset, "label", LABEL)
    api.add_question(dataset, "Why, é?", {"type": "text", "use_markdown": False})
    api.add_property(dataset, "assigned.to", "terms")
    api.add_property(dataset, "length", "integer")
    body = {"name": "embedding", "title": "embedding", "dimensions": 2}
    api.call("POST", f"datasets/{dataset.id}/vectors-settings", body)
    api.publish(dataset)
    dataset.questions["name"] = name
    return dataset


def record(dataset: Made, name: str | None, text: str, **parts: Any) -> Json:
    body = item(name or "", text, metadata={"assigned.to": "ann", "length": 3, "own": "kept"})
    body["fields"]["source text"] = f"the source of {text}"
    body["vectors"] = {"embedding": [0.5, 1.0]}
    if name is None:
        body["external_id"] = str(uuid.uuid4())  # what the SDK makes up
    return {**body, **parts}


def batch(number: int, *items: BatchItem) -> Batch:
    return Batch(f"b{number:04d}", number, "breaking_ties", f"model-{number}", items)


def proposing(*record_ids: str) -> tuple[BatchItem, ...]:
    return tuple(BatchItem(PoolId(id_), 0.5, Suggestion("tool", 0.75)) for id_ in record_ids)


def put(store: AnnotationStore, published: Batch) -> None:
    store.publish(published, {id_: POOL[id_].text for id_ in published.record_ids})


def everything(api: Api, dataset: Made) -> dict[str, Json]:
    include = ["responses", "suggestions", "vectors"]
    return {one["id"]: one for one in api.listed(dataset, include=include)}


def others(one: Json) -> Json:
    """A record without what loopd may write."""
    keys = ("external_id", "fields", "responses", "vectors")
    own = {*METADATA, PROPERTY, maker_mark.PROPERTY}
    metadata = {name: value for name, value in (one["metadata"] or {}).items() if name not in own}
    foreign = [entry for entry in one["suggestions"] if not entry["agent"].startswith("loopd:")]
    return {**{key: one.get(key) for key in keys}, "metadata": metadata, "foreign": foreign}


def test_records_of_others_are_merged_with(theirs: Made, make_store: MakeStore, api: Api) -> None:
    proposal = {"question_id": theirs.questions["label"], "value": "fruit", "agent": "gpt"}
    api.upsert(
        theirs,
        record(theirs, "r1", "an apple", suggestions=[proposal]),
        record(theirs, None, "a <b>bold</b> saw & more"),
        record(theirs, "unrelated", "nobody's pool text"),
    )
    before = everything(api, theirs)
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    for _ in range(2):
        put(store, batch(0, *proposing("r1", "r2", "r3")))
        store.refresh([batch(0, *proposing("r3", "r2", "r1"))], {r.id: r.text for r in POOL})
    after = everything(api, theirs)
    assert {id_: others(after[id_]) for id_ in before} == {
        id_: others(one) for id_, one in before.items()
    }
    (added,) = [one for id_, one in after.items() if id_ not in before]
    assert added["external_id"] == "r3"
    texts = [one["fields"]["text"] for one in after.values()]
    assert len(texts) == len(set(texts)) == 4, "a text was published twice"
    marked = {
        one["fields"]["text"] for one in after.values() if PROPERTY in (one["metadata"] or {})
    }
    assert marked == {"an apple", "a <b>bold</b> saw & more", "a pear"}
    agents = {
        one["fields"]["text"]: [s["agent"] for s in one["suggestions"]] for one in after.values()
    }
    assert agents["an apple"] == ["gpt"]
    assert agents["a <b>bold</b> saw & more"] == agents["a pear"] == ["loopd:model-0"]


def test_metadata_that_people_add_outlive_a_refresh(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2")))
    for one in api.listed(theirs):
        metadata = {**one["metadata"], "assigned.to": "bob", "free": [1, 2]}
        api.call("PATCH", f"records/{one['id']}", {"metadata": metadata})
    store.refresh([batch(0, *proposing("r2", "r1"))], {r.id: r.text for r in POOL})
    put(store, batch(0, *proposing("r1", "r2")))
    for one in api.listed(theirs):
        assert (one["metadata"]["assigned.to"], one["metadata"]["free"]) == ("bob", [1, 2])


def test_what_people_add_while_a_batch_is_written_is_kept(
    theirs: Made, make_store: MakeStore, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened up to the moment before a record is written: each is read on its own."""
    api.upsert(theirs, *(record(theirs, None, one.text) for one in POOL))
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    send, clicks = store._writer._send, iter(api.listed(theirs))

    def click_then_send(method: str, bodies: list[Json]) -> list[Json]:
        written = send(method, bodies)
        for one in islice(clicks, 1):  # a person clicks while loopd writes another record
            metadata = {**(one["metadata"] or {}), "length": 99}
            api.call("PATCH", f"records/{one['id']}", {"metadata": metadata})
        return written

    monkeypatch.setattr(store._writer, "_send", click_then_send)
    put(store, batch(0, *proposing("r4", "r3", "r2", "r1")))
    lengths = [one["metadata"]["length"] for one in api.listed(theirs)]
    assert lengths == [99, 99, 99, 99]


def test_opening_again_changes_nothing_but_a_lost_batch_id(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    """Records of others too, on which the run works."""
    proposal = {"question_id": theirs.questions["label"], "value": "fruit", "agent": "gpt"}
    api.upsert(theirs, record(theirs, "r1", "an apple", suggestions=[proposal]))
    api.upsert(theirs, record(theirs, None, "a <b>bold</b> saw & more"))
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, one := batch(0, *proposing("r1", "r2", "r3", "r4")))
    api.answer(theirs, "r1", "tool", status="draft")
    ids = {each["external_id"]: each for each in api.listed(theirs)}
    stripped = {**ids["r3"]["metadata"], "batch_id": "mine", "free": [1]}
    api.call("PATCH", f"records/{ids['r3']['id']}", {"metadata": stripped})
    before = everything(api, theirs)
    assert store.visible([one], open_only=True) == {"r1", "r2", "r4"}
    assert store.reopen([one]) == {"r1", "r2", "r3", "r4"}
    after = everything(api, theirs)
    (changed,) = [one for id_, one in after.items() if one != before[id_]]
    assert changed["external_id"] == "r3"
    metadata = {**stripped, "batch_id": "b0000"}
    parts = {"metadata": metadata, "updated_at": changed["updated_at"]}
    assert changed == {**before[changed["id"]], **parts}
    assert store.visible([one], open_only=True) == {"r1", "r2", "r3", "r4"}


def test_what_the_search_goes_by_is_added_again(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, one := batch(0, *proposing("r1")))
    path = f"me/datasets/{theirs.id}/metadata-properties"
    for entry in api.call("GET", path)["items"]:
        if entry["name"] == "batch_id":
            api.call("DELETE", f"metadata-properties/{entry['id']}")
    assert store.visible([one]) == {"r1"}


def test_a_record_with_null_for_values_keeps_no_batch_back(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    """Publishing is repeated, as after a crash; Argilla fails at every write to such a record."""
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, one := batch(0, *proposing("r1", "r2")))
    api.listed(theirs)
    record_id = api.record(theirs, "r1")["id"]
    body = {"status": "discarded", "values": None}
    api.call("POST", f"records/{record_id}/responses", body, by="ann", code=500)
    api.call("DELETE", f"records/{api.record(theirs, 'r2')['id']}")
    put(store, one)
    assert store.visible([one]) == {"r1", "r2"}


def test_a_property_that_people_removed_is_added_again(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    api.call("PATCH", f"datasets/{theirs.id}", {"allow_extra_metadata": False})
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    path = f"me/datasets/{theirs.id}/metadata-properties"
    for entry in api.call("GET", path)["items"]:
        if entry["name"] in ("round", PROPERTY):
            api.call("DELETE", f"metadata-properties/{entry['id']}")
    put(store, batch(0, *proposing("r1")))
    assert api.record(theirs, "r1")["metadata"]["round"] == 0


def test_a_record_that_lost_the_mark_is_not_refreshed(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r1"))))
    (one,) = api.listed(theirs)
    api.call("PATCH", f"records/{one['id']}", {"metadata": {"own": "only"}})
    store.refresh([batch(0, *proposing("r1"))], {r.id: r.text for r in POOL})
    assert api.record(theirs, "r1")["metadata"] == {"own": "only"}


def test_names_of_metadata_that_people_use_are_left_to_them(
    api: Api, make_store: MakeStore
) -> None:
    """Declared with another kind, or only in use."""
    dataset = api.dataset(name=(name := f"names-{uuid.uuid4().hex[:8]}"), score="terms")
    api.upsert(dataset, item("r1", "an apple", metadata={"score": "high", "batch_id": "march"}))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r3")))
    assert store.visible([batch(0, BatchItem(PoolId("r1")))]) == {"r1"}
    metadata = api.record(dataset, "r1")["metadata"]
    assert (metadata["score"], metadata["batch_id"]) == ("high", "march")
    assert (metadata["loopd_score"], metadata["loopd_batch_id"]) == (0.5, "b0000")
    again = make_store(name)
    again.open(POOL, fresh=False)
    put(again, batch(0, *proposing("r1", "r3")))
    assert set(api.record(dataset, "r1")["metadata"]) == set(metadata)
    listed = {one.external_id: one for one in again.published(POOL).items}
    assert listed[ExternalId("r1")].metadata["batch_id"] == "b0000"


@pytest.mark.needs(ENGINE)
def test_the_most_informative_record_comes_first_under_any_name(
    api: Api, make_store: MakeStore
) -> None:
    dataset = api.dataset(name=(name := f"order-{uuid.uuid4().hex[:8]}"))
    api.upsert(dataset, item("x", "nobody's", metadata={"priority": "low"}))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r4", "r3", "r1")))
    found = api.call("POST", f"me/datasets/{dataset.id}/records/search", {"query": {}})
    names = [one["record"]["external_id"] for one in found["items"]]
    assert names == ["r4", "r3", "r1", "x"]


@pytest.mark.needs(MANY_LABELS)
def test_any_name_that_argilla_takes_will_do(argilla: LiveArgilla, api: Api) -> None:
    """Of dataset, field and question; and more labels than Argilla's own default allows."""
    labels = tuple(f"Label {number}" for number in range(600))
    name = f"Ärger & Co. (v1.2)/x {uuid.uuid4().hex[:6]}"
    config = parse_config(
        {
            "task": {"labels": list(labels), "question": "Wofür? é", "field": "Der Text.Feld 1"},
            "pool": {"path": "unused.csv"},
            "argilla": {"url": argilla.url, "workspace": argilla.workspace, "dataset": name},
        },
        Path(),
    )
    task = build_task(config.task)
    store = ArgillaStore(config.argilla, argilla.owner_key, DatasetPlan(task, "", 1))
    store.open(POOL, fresh=True)
    suggestion = Suggestion("Label 599", 0.5)
    put(store, batch(0, BatchItem(PoolId("r2"), 0.5, suggestion)))
    listed = api.call("GET", "me/datasets")["items"]
    dataset = Made(next(entry["id"] for entry in listed if entry["name"] == name))
    (one,) = api.listed(dataset)
    assert one["suggestions"][0]["value"] == "Label 599"
    body = {"status": "submitted", "values": {"Wofür? é": {"value": "Label 7"}}}
    api.call("POST", f"records/{one['id']}/responses", body, by="ann")
    assert [answer.value for answer in store.sweep([ExternalId("r2")]).answers] == ["Label 7"]
    assert store.visible([batch(0, BatchItem(PoolId("r2")))]) == {"r2"}
    store.close()


def test_another_run_finds_the_dataset_taken(api: Api, make_store: MakeStore) -> None:
    dataset = api.dataset(name=(name := f"taken-{uuid.uuid4().hex[:8]}"))
    first, second = make_store(name), make_store(name)
    first.open(POOL, fresh=True)
    for call in (second.preview, second.open):
        with pytest.raises(DatasetError, match="belongs to another run of loopd"):
            call(POOL, fresh=True)
    (mark,) = (
        entry
        for entry in api.call("GET", f"me/datasets/{dataset.id}/metadata-properties")["items"]
        if entry["name"] == PROPERTY
    )
    assert mark["visible_for_annotators"] is False
    first.open(POOL, fresh=True)
    put(first, batch(0, BatchItem(PoolId("r1"))))


def test_a_mark_that_was_removed_and_taken_by_another_run_ends_the_first(
    api: Api, make_store: MakeStore
) -> None:
    dataset = api.dataset(name=(name := f"stolen-{uuid.uuid4().hex[:8]}"))
    first, second = make_store(name), make_store(name)
    first.open(POOL, fresh=True)
    path = f"me/datasets/{dataset.id}/metadata-properties"
    mark = next(e for e in api.call("GET", path)["items"] if e["name"] == PROPERTY)
    api.call("DELETE", f"metadata-properties/{mark['id']}")
    second.open(POOL, fresh=True)
    with pytest.raises(DatasetError, match="belongs to another run"):
        put(first, batch(0, BatchItem(PoolId("r1"))))
    assert api.listed(dataset) == []


def test_another_text_under_an_id_of_ours_is_not_touched(api: Api, make_store: MakeStore) -> None:
    """It came after the run had begun."""
    dataset = api.dataset(name=(name := f"clash-{uuid.uuid4().hex[:8]}"))
    store = make_store(name)
    store.open(POOL, fresh=True)
    api.upsert(dataset, item("r1", "not an apple"))
    with pytest.raises(DatasetError, match="another text under the id `r1`"):
        put(store, batch(0, BatchItem(PoolId("r1"))))
    assert api.record(dataset, "r1")["metadata"] in (None, {})


def test_a_copy_has_all_fields_of_its_original(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    api.upsert(theirs, record(theirs, None, "an apple"))
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r1"), copy_id=ExternalId("r1#2"))))
    copy = api.record(theirs, "r1#2")
    assert copy["fields"] == {"text": "an apple", "source text": "the source of an apple"}
    assert store.sweep([ExternalId("r1#2")]).missing == ()


def test_answers_on_any_record_of_a_pool_text_count(
    theirs: Made, make_store: MakeStore, api: Api
) -> None:
    bodies = [record(theirs, None, POOL[PoolId(id_)].text) for id_ in ("r1", "r2", "r3")]
    twin = record(theirs, None, "an apple")
    api.upsert(theirs, *bodies, twin, record(theirs, None, "nobody's"))
    values = {"label": {"value": "fruit"}, "Why, é?": {"value": "so"}}

    def answer(body: Json, status: str, by: str) -> None:
        path = f"records/{theirs.records[body['external_id']]}/responses"
        api.call("POST", path, {"status": status, "values": values}, by=by)

    answer(bodies[0], "submitted", "ann")
    answer(twin, "submitted", "bob")
    answer(bodies[1], "discarded", "ann")
    answer(bodies[2], "draft", "ann")
    store = make_store(theirs.questions["name"])
    store.open(POOL, fresh=True)
    sweep = store.sweep(())
    assert {(a.external_id, a.status, a.value) for a in sweep.answers} == {
        ("r1", AnswerStatus.SUBMITTED, "fruit"),
        ("r2", AnswerStatus.DISCARDED, None),
    }
    assert len(sweep.answers) == 3
    assert sweep.missing == ()


def test_the_store_in_memory_is_a_guest_too() -> None:
    store = MemoryStore(TASK)
    store.log(ExternalId("their-id"), "an apple", own="kept")
    store.open(POOL, fresh=True)
    store.submit(ExternalId("their-id"), "ann", "fruit")
    assert [answer.external_id for answer in store.sweep(()).answers] == ["r1"]
    put(store, batch(0, *proposing("r1", "r3")))
    store.annotate(ExternalId("r3"), assigned="bob")
    store.refresh([batch(0, *proposing("r3"))], {r.id: r.text for r in POOL})
    assert (
        store.metadata(ExternalId("their-id"))["own"],
        store.metadata(ExternalId("r3"))["assigned"],
    ) == (
        "kept",
        "bob",
    )
    assert store.metadata(ExternalId("their-id"))["batch_id"] == "b0000"
    assert not store.holds(ExternalId("r1"))


def test_labels_may_be_spelled_otherwise(api: Api, argilla: LiveArgilla) -> None:
    """Letters composed in another way, blanks around: nobody sees that in Argilla."""
    dataset = api.draft(name := f"spelling-{uuid.uuid4().hex[:8]}")
    api.add_field(dataset, "text")
    options = [
        {"value": value, "text": value}
        for value in (" fruit ", unicodedata.normalize("NFD", "Gemüse"))
    ]
    api.add_question(dataset, "label", {"type": "label_selection", "options": options})
    api.publish(dataset)
    task = SingleLabelTask(("fruit", unicodedata.normalize("NFC", "Gemüse")), "label", "text", "?")
    section = argilla.section(name)
    store = ArgillaStore(section, argilla.owner_key, DatasetPlan(task, "", 1))
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r1"), 0.5, Suggestion(task.labels[1], 0.75))))
    (one,) = api.listed(dataset)
    assert one["suggestions"][0]["value"] == options[1]["value"]
    body = {"status": "submitted", "values": {"label": {"value": options[1]["value"]}}}
    api.call("POST", f"records/{one['id']}/responses", body, by="ann")
    (answer,) = store.sweep([ExternalId("r1")]).answers
    assert (answer.status, answer.value) == (AnswerStatus.SUBMITTED, task.labels[1])
    (listed,) = store.published(POOL).items
    assert listed.suggestion == Suggestion(task.labels[1], 0.75)
    store.close()


def test_a_dataset_that_was_renamed_is_named(api: Api, make_store: MakeStore) -> None:
    dataset = api.dataset(name=(name := f"before-{uuid.uuid4().hex[:8]}"))
    store = make_store(name)
    store.open(POOL, fresh=True)
    api.call("PATCH", f"datasets/{dataset.id}", {"name": (later := f"after {name}")})
    for call in (store.preview, store.open):
        with pytest.raises(DatasetError, match=f"`{name}` is called `{later}` now"):
            call(POOL, fresh=False)
