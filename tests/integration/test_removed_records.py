"""Records of texts that are withdrawn: loopd's own go, those of others stay as they were."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.run_mark import PROPERTY, UnsavedIdentity
from loopd.errors import DatasetError
from loopd.records import BatchItem, ExternalId, PoolId
from tests.integration.conftest import LABEL, Api, item
from tests.integration.test_guest_contract import POOL, TASK, batch, proposing, put
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

MakeStore = Callable[..., ArgillaStore]


@pytest.fixture
def make_store(argilla: LiveArgilla) -> Iterator[MakeStore]:
    """Stores of one and the same run."""
    stores: list[ArgillaStore] = []
    run = UnsavedIdentity()

    def make(dataset: str, *, in_place: bool = False) -> ArgillaStore:
        section = argilla.section(dataset)
        plan = DatasetPlan(TASK, "", 1, run, in_place=in_place)
        stores.append(ArgillaStore(section, argilla.owner_key, plan))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def name() -> str:
    return f"removed-{uuid.uuid4().hex[:8]}"


def is_one(*ids: str) -> Callable[[str], bool]:
    texts = {POOL[PoolId(id_)].text for id_ in ids}
    return lambda text: text in texts


def names(*ids: str) -> list[ExternalId]:
    return list(map(ExternalId, ids))


def test_its_own_records_go_with_their_answers_and_copies(
    argilla: LiveArgilla, make_store: MakeStore, name: str
) -> None:
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2", "r3")))
    put(store, batch(1, BatchItem(PoolId("r2"), copy_id=ExternalId("r2#2"))))
    people = argilla.people(name)
    people.submit("r1", "ann", "fruit")
    again = make_store(name)
    again.reach(POOL.without_texts([PoolId("r1"), PoolId("r2")]))
    assert again.remove(names("r1", "r2", "r2#2"), is_one("r1", "r2")) == frozenset()
    assert [record["external_id"] for record in people.records()] == ["r3"]
    assert again.remove(names("r1", "r2", "r2#2"), is_one("r1", "r2")) == frozenset()
    sweep = store.sweep(names("r1", "r2", "r2#2", "r3"))
    assert (sweep.missing, sweep.answers) == (("r1", "r2", "r2#2"), ())
    people.close()


def test_records_of_others_lose_only_what_loopd_has_written(
    api: Api, make_store: MakeStore, name: str
) -> None:
    dataset = api.dataset(name=name, topic="terms")
    kept = {"topic": "trees"}
    api.upsert(dataset, item("sdk", "an apple", metadata=kept), item("r3", "a pear"))
    api.upsert(dataset, item("never", "a spade", metadata=kept))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2", "r3")))
    put(store, batch(1, BatchItem(PoolId("r3"), copy_id=ExternalId("r3#2"))))
    api.answer(dataset, "sdk", "fruit")
    assert api.record(dataset, "sdk")["suggestions"]
    ids = names("r1", "r3", "r3#2", "r4")
    assert store.remove(ids, is_one("r1", "r3", "r4")) == {"sdk", "r3", "never"}
    sdk = api.record(dataset, "sdk")
    assert (sdk["metadata"], sdk["suggestions"], len(sdk["responses"])) == (kept, [], 1)
    assert api.record(dataset, "r3")["metadata"] in (None, {})
    assert api.record(dataset, "never")["metadata"] == kept
    there = {record["external_id"] for record in api.listed(dataset)}
    assert there == {"sdk", "r3", "never", "r2"}
    assert api.record(dataset, "r2")["metadata"]["batch_id"] == "b0000"


def test_records_of_others_under_the_run_s_ids_stay_though_all_are_published(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """Also by a process that did not publish them, and when the model's view was written anew."""
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("r1", "an apple"), item("r3", "a pear"))
    api.answer(dataset, "r1", "tool")
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, first := batch(0, *proposing("r1", "r2", "r3")))
    store.refresh([first], {id_: POOL[id_].text for id_ in map(PoolId, ("r1", "r2", "r3"))})
    again = make_store(name)
    again.reach(POOL.without_texts([PoolId("r1"), PoolId("r2"), PoolId("r3")]))
    ids = names("r1", "r2", "r3")
    assert again.remove(ids, is_one("r1", "r2", "r3")) == {"r1", "r3"}
    left = {record["external_id"]: record for record in api.listed(dataset)}
    assert left.keys() == {"r1", "r3"}
    assert all(not record["metadata"] and not record["suggestions"] for record in left.values())
    assert [len(left[id_]["responses"]) for id_ in ("r1", "r3")] == [1, 0]


def test_its_own_records_go_though_one_of_others_has_stayed(
    api: Api, make_store: MakeStore, name: str
) -> None:
    dataset = api.dataset(name=name, made_by="terms")
    api.upsert(dataset, item("r1", "an apple"), item("r3", "a pear", metadata={"made_by": "ann"}))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2", "r3", "r4")))
    assert store.remove(names("r1"), is_one("r1")) == {"r1"}
    assert store.remove(names("r2"), is_one("r1", "r2")) == {"r1"}
    assert store.remove(names("r3"), is_one("r1", "r2", "r3")) == {"r1", "r3"}
    left = {record["external_id"]: record["metadata"] or {} for record in api.listed(dataset)}
    assert left.pop("r4")["batch_id"] == "b0000"
    assert left == {"r1": {}, "r3": {"made_by": "ann"}}


def test_a_record_of_others_that_they_log_again_stays(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """Without metadata, as their programs send it: the run finds it again by its id."""
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("r1", "an apple"))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, first := batch(0, *proposing("r1", "r2")))
    record_id = api.record(dataset, "r1")["id"]
    api.call("PATCH", f"records/{record_id}", {"metadata": {}})
    assert store.reopen([first]) == {"r1", "r2"}
    store.refresh([first], {id_: POOL[id_].text for id_ in map(PoolId, ("r1", "r2"))})
    assert api.record(dataset, "r1")["metadata"]["batch_id"] == "b0000"
    assert store.remove(names("r1", "r2"), is_one("r1", "r2")) == {"r1"}
    assert [record["external_id"] for record in api.listed(dataset)] == ["r1"]


def test_what_another_agent_proposes_on_a_record_of_the_run_makes_it_stay(
    api: Api, make_store: MakeStore, name: str
) -> None:
    dataset = api.dataset(name=name)
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, BatchItem(PoolId("r1")), *proposing("r2")))
    api.listed(dataset)
    body = {"question_id": dataset.questions["label"], "value": "fruit", "agent": "gpt"}
    api.call("PUT", f"records/{api.record(dataset, 'r1')['id']}/suggestions", body)
    assert store.remove(names("r1", "r2"), is_one("r1", "r2")) == {"r1"}
    (left,) = api.listed(dataset)
    assert [entry["agent"] for entry in left["suggestions"]] == ["gpt"]


def test_a_note_on_a_record_of_the_run_makes_it_stay(
    api: Api, argilla: LiveArgilla, make_store: MakeStore, name: str
) -> None:
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2")))
    found = {each["name"]: each["id"] for each in api.call("GET", "me/datasets")["items"]}
    people = argilla.people(name)
    record = people.record("r1")
    noted = {**record["metadata"], "note": "ask Ann"}
    body = {"items": [{"id": record["id"], "metadata": noted}]}
    api.call("PUT", f"datasets/{found[name]}/records/bulk", body)
    assert store.remove(names("r1", "r2"), is_one("r1", "r2")) == {"r1"}
    (left,) = people.records()
    assert (left["metadata"], left["suggestions"]) == ({"note": "ask Ann"}, [])
    people.close()


def test_a_pool_in_argilla_keeps_its_records(api: Api, make_store: MakeStore, name: str) -> None:
    dataset = api.dataset(name=name)
    api.upsert(dataset, *(item(record.id, record.text) for record in POOL))
    store = make_store(name, in_place=True)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r2")))
    assert store.remove(names("r1"), is_one("r1")) == {"r1"}
    assert len(api.listed(dataset)) == len(POOL)
    assert PROPERTY not in (api.record(dataset, "r1")["metadata"] or {})
    assert PROPERTY in api.record(dataset, "r2")["metadata"]


def test_what_another_agent_proposes_on_a_record_of_others_stays(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """Beside a proposal of loopd's, and where loopd proposes nothing."""
    dataset = api.draft(name)
    api.add_field(dataset, "text")
    api.add_question(dataset, "label", LABEL)
    api.add_question(dataset, "why", {"type": "text", "use_markdown": False}, required=False)
    api.publish(dataset)
    why, label = (
        {"question_id": dataset.questions[question], "value": value, "agent": "gpt"}
        for question, value in (("why", "it grows"), ("label", "tool"))
    )
    api.upsert(
        dataset,
        item("r1", "an apple", suggestions=[why]),
        item("r3", "a pear", suggestions=[label]),
        item("r4", "a spade", metadata={"topic": "iron"}),
    )
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r3"), BatchItem(PoolId("r4"))))
    agents = [entry["agent"] for entry in api.record(dataset, "r1")["suggestions"]]
    assert sorted(agents) == ["gpt", "loopd:model-0"]
    ids = names("r1", "r3", "r4")
    assert store.remove(ids, is_one("r1", "r3", "r4")) == {"r1", "r3", "r4"}
    left = {one["external_id"]: one for one in api.listed(dataset)}
    assert {
        id_: [(entry["agent"], entry["value"]) for entry in one["suggestions"]]
        for id_, one in left.items()
    } == {"r1": [("gpt", "it grows")], "r3": [("gpt", "tool")], "r4": []}
    assert {id_: one["metadata"] or {} for id_, one in left.items()} == {
        "r1": {},
        "r3": {},
        "r4": {"topic": "iron"},
    }


def test_a_record_that_argilla_cannot_write_is_named_and_keeps_no_other_one(
    api: Api, make_store: MakeStore, name: str
) -> None:
    """Its discard has ``null`` for values, at which Argilla's own engines fail."""
    dataset = api.dataset(name=name)
    api.upsert(dataset, item("r1", "an apple"), item("r3", "a pear"), item("x", "nobody's"))
    store = make_store(name)
    store.open(POOL, fresh=True)
    put(store, batch(0, *proposing("r1", "r3")))
    path, body = f"records/{dataset.records['r1']}/responses", {"status": "discarded"}
    api.call("POST", path, {**body, "values": None}, by="ann", code=500)
    assert store.remove(names("r1", "r3"), is_one("r1", "r3")) == {"r1", "r3"}
    spoilt, other = api.record(dataset, "r1"), api.record(dataset, "r3")
    assert spoilt["metadata"]["batch_id"] == "b0000"
    assert len(spoilt["responses"]) == 1
    assert (other["metadata"] or {}, other["suggestions"]) == ({}, [])


def test_a_dataset_of_another_run_is_left_alone(
    argilla: LiveArgilla, make_store: MakeStore, name: str
) -> None:
    make_store(name).open(POOL, fresh=True)
    plan = DatasetPlan(TASK, "", 1, UnsavedIdentity())
    plan.run.keep("0" * 16)
    other = ArgillaStore(argilla.section(name), argilla.owner_key, replace(plan))
    with pytest.raises(DatasetError, match="belongs to another run"):
        other.reach(POOL)
    other.close()
