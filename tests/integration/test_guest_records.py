"""Records of others that are nearly loopd's: which stand for a text, and which only look so."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.run_mark import PROPERTY, UnsavedIdentity
from loopd.errors import ArgillaError, DatasetError
from loopd.records import BatchItem, ExternalId, PoolId, published_as
from tests.integration.conftest import LABEL, Api, item
from tests.integration.test_guest_contract import POOL, TASK, batch, proposing, put
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

MakeStore = Callable[[str], ArgillaStore]


@pytest.fixture
def make_store(argilla: LiveArgilla) -> Iterator[MakeStore]:
    """Stores of one and the same run."""
    stores: list[ArgillaStore] = []
    run = UnsavedIdentity()

    def make(dataset: str) -> ArgillaStore:
        section = argilla.section(dataset)
        stores.append(ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1, run)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def name() -> str:
    return f"guests-{uuid.uuid4().hex[:8]}"


def texts(api: Api, dataset: str) -> list[str]:
    listed = api.call("GET", f"datasets/{dataset}/records", limit=1000)["items"]
    return sorted(record["fields"]["text"] for record in listed)


def test_an_id_of_the_pool_counts_only_with_its_text(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """They came after the run had begun; answers are those of the texts that people saw."""
    dataset = api.dataset(name=name)
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r1"))))
    others = {"r3": "not a pear", "r1#2": "a spade", "r4#2": "nobody's"}
    api.upsert(dataset, *(item(id_, text) for id_, text in others.items()))
    for id_ in others:
        api.answer(dataset, id_, "tool")
    answers = store.sweep([ExternalId("r1")]).answers
    assert [(answer.external_id, answer.value) for answer in answers] == [("r4", "tool")]
    put(store, batch(1, BatchItem(PoolId("r4"))))
    assert texts(api, dataset.id).count("a spade") == 1


def test_a_text_under_two_ids_is_found_under_the_other(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """The pool's own id is on another text: the batch works on the record that shows its text."""
    dataset = api.dataset(name=name)
    store = make_store(name)
    store.open(POOL, fresh=True)
    api.upsert(dataset, item("r1", "not an apple"), item("sdk", "an apple"))
    api.answer(dataset, "r1", "tool")
    api.answer(dataset, "sdk", "fruit", by="bob")
    put(store, batch(0, BatchItem(PoolId("r1"))))
    sweep = store.sweep([ExternalId("r1")])
    assert [(answer.external_id, answer.value) for answer in sweep.answers] == [("r1", "fruit")]
    assert api.record(dataset, "r1")["metadata"] in (None, {})
    assert api.record(dataset, "sdk")["metadata"]["batch_id"] == "b0000"


def test_texts_that_others_have_escaped_are_the_same_texts(
    api: Api, make_store: MakeStore, name: str
) -> None:
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("r2", html.escape(POOL[PoolId("r2")].text)))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r2"))))
    assert len(texts(api, dataset.id)) == 1


def test_a_record_that_shows_nothing_is_no_text(api: Api, make_store: MakeStore, name: str) -> None:
    """Before the run and not in its midst: a check says it too."""
    dataset = api.draft(name)
    api.add_field(dataset, "text", required=False)
    api.add_field(dataset, "note", required=False)
    api.add_question(dataset, "label", LABEL)
    api.publish(dataset)
    api.upsert(dataset, {"external_id": "r2", "fields": {"note": "only"}})
    with pytest.raises(DatasetError, match="another text under the id `r2`"):
        make_store(name).preview(POOL, fresh=True)


def test_a_record_that_came_for_one_that_went_is_seen(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """There are as many records as before."""
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("x", "nobody's"), item("y", "nobody's either"))
    store = make_store(name)
    store.open(POOL, fresh=True)
    api.call("DELETE", f"records/{dataset.records['x']}")
    api.upsert(dataset, item("z", "an apple"))
    put(store, batch(0, BatchItem(PoolId("r1"))))
    assert texts(api, dataset.id) == ["an apple", "nobody's either"]


def test_names_outlive_the_mark(api: Api, make_store: MakeStore, name: str) -> None:
    """Somebody uses loopd's names; the mark, which says loopd's own, is removed meanwhile."""
    dataset = api.dataset(name=name, score="terms")
    api.upsert(dataset, item("r1", "an apple", metadata={"score": "high", "batch_id": "march"}))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r3")))
    path = f"me/datasets/{dataset.id}/metadata-properties"
    mark = next(entry for entry in api.call("GET", path)["items"] if entry["name"] == PROPERTY)
    assert len(make_store(name).published(POOL).items) == 2
    api.call("DELETE", f"metadata-properties/{mark['id']}")
    listed = {record.external_id: record for record in make_store(name).published(POOL).items}
    assert listed[ExternalId("r1")].metadata["batch_id"] == "b0000"
    again = make_store(name)
    again.open(POOL, fresh=False)
    put(again, batch(1, BatchItem(PoolId("r1"))))
    metadata = api.record(dataset, "r1")["metadata"]
    assert (metadata["score"], metadata["batch_id"]) == ("high", "march")
    assert metadata["loopd_batch_id"] == "b0001"


def test_metadata_that_argilla_takes_no_more_are_named(
    api: Api, make_store: MakeStore, name: str
) -> None:
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("r1", "an apple", metadata={"length": "eight"}))
    api.add_property(dataset, "length", "integer")
    store = make_store(name)
    store.open(POOL, fresh=True)
    with pytest.raises(ArgillaError, match=r"does not take a record back .*an apple.*length"):
        put(store, batch(0, BatchItem(PoolId("r1"))))
    assert api.record(dataset, "r1")["metadata"] == {"length": "eight"}


def test_a_draft_of_others_keeps_its_fields_and_gets_what_it_lacks(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """They have begun with fields of their own; nobody can answer before there is a question."""
    dataset = api.draft(name)
    api.add_field(dataset, "note", required=False)
    api.add_field(dataset, "text", type="text", use_markdown=True)
    before = api.call("GET", f"datasets/{dataset.id}/fields")
    store = make_store(name)
    assert store.open(POOL, fresh=True) == dataset.id
    assert api.call("GET", f"datasets/{dataset.id}/fields") == before
    (question,) = api.call("GET", f"datasets/{dataset.id}/questions")["items"]
    assert question["name"] == "label"
    assert api.call("GET", f"datasets/{dataset.id}")["status"] == "ready"
    put(store, batch(0, BatchItem(PoolId("r1"))))
    assert texts(api, dataset.id) == ["an apple"]


def test_a_property_that_is_of_another_kind_now_is_named(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """Somebody removed it and made another one: Argilla would refuse each record of a batch."""
    dataset = api.dataset(name=name)
    make_store(name).open(POOL, fresh=True)
    path = f"me/datasets/{dataset.id}/metadata-properties"
    score = next(one for one in api.call("GET", path)["items"] if one["name"] == "score")
    api.call("DELETE", f"metadata-properties/{score['id']}")
    api.add_property(dataset, "score", "terms")
    with pytest.raises(DatasetError, match="its metadata `score` is terms, not float") as caught:
        make_store(name).open(POOL, fresh=False)
    assert caught.value.message.startswith(f"dataset `{name}` does not fit: ")
    assert "choose another argilla.dataset" in caught.value.hint


def test_fewer_answers_than_the_run_asked_for_end_no_process(
    api: Api, argilla: LiveArgilla, name: str
) -> None:
    """Somebody lowered it while no process ran: the next one adopts it, as a running one does."""
    api.dataset(name=name, min_submitted=2)
    run = UnsavedIdentity()
    section = argilla.section(name)
    for needed, fresh in ((2, True), (3, False)):
        plan = DatasetPlan(TASK, "", needed, run)
        store = ArgillaStore(section, argilla.owner_key, plan)
        assert "exists and fits" in store.preview(POOL, fresh=fresh)
        store.open(POOL, fresh=fresh)
        store.close()


def test_no_answer_is_overlooked_where_a_record_goes_meanwhile(
    api: Api, make_store: MakeStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for these records; the page border moves over one of them."""
    monkeypatch.setattr("loopd.annotation.unhurried.SIZES", (2,))
    monkeypatch.setattr("loopd.annotation.argilla_store.PAGE_SIZES", (2, 3))
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("x", "nobody's"), *(item(one.id, one.text) for one in POOL))
    for one in POOL:
        api.answer(dataset, one.id, "tool")
    store = make_store(name)
    store.open(POOL, fresh=True)
    pages, gone = store._dataset.api.pages, iter(["x"])

    def shifting(*arguments: Any, **more: Any) -> Iterator[list[dict[str, Any]]]:
        for page in pages(*arguments, **more):
            yield page
            for id_ in gone:  # once, after the first page of all
                api.call("DELETE", f"records/{dataset.records[id_]}")

    monkeypatch.setattr(store._dataset.api, "pages", shifting)
    assert {answer.external_id for answer in store.sweep(()).answers} == {
        published_as(one.id) for one in POOL
    }
