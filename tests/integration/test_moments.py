"""Somebody acts between two requests of loopd's, or before a process has looked at anything."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.queue_mark import OPEN, PROPERTY
from loopd.annotation.run_mark import UnsavedIdentity
from loopd.records import BatchItem, ExternalId, PoolId
from tests.integration.conftest import Api, Made, item
from tests.integration.test_guest_contract import POOL, TASK, batch, proposing, put
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

MakeStore = Callable[..., ArgillaStore]


@pytest.fixture
def dataset(api: Api) -> Made:
    """Others have made it, without a record."""
    made = api.dataset(name=(name := f"moments-{uuid.uuid4().hex[:8]}"))
    made.questions["name"] = name
    return made


@pytest.fixture
def make_store(argilla: LiveArgilla, dataset: Made) -> Iterator[MakeStore]:
    """Stores of one and the same run, each as a process of its own has it."""
    stores: list[ArgillaStore] = []
    run = UnsavedIdentity()

    def make(*, in_place: bool = False, fresh: bool = True) -> ArgillaStore:
        section = argilla.section(dataset.questions["name"])
        plan = DatasetPlan(TASK, "", 1, run, in_place=in_place)
        stores.append(store := ArgillaStore(section, argilla.owner_key, plan))
        store.open(POOL, fresh=fresh)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def their_pool(api: Api, dataset: Made) -> None:
    """All texts of the pool are records of others."""
    api.upsert(dataset, *(item(one.id, one.text) for one in POOL))


class Meanwhile:
    """Notes a store's requests about records, and lets somebody act once after one of them."""

    def __init__(
        self,
        store: ArgillaStore,
        monkeypatch: pytest.MonkeyPatch,
        after: str = "",
        act: Callable[[], object] = lambda: None,
    ) -> None:
        self.requests: list[str] = []
        self._request = store._dataset.api.request
        self._after, self._acts = after, iter([act])
        monkeypatch.setattr(store._dataset.api, "request", self)

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._request(method, path, **arguments)
        self.requests += [f"{method} {path}"] if path.startswith("/records") else []
        if f"{method} {path}" == self._after:
            for act in self._acts:
                act()
        return answer


def texts(api: Api, made: Made) -> list[str]:
    return sorted(record["fields"]["text"] for record in api.listed(made))


def on(api: Api, made: Made, property_name: str) -> dict[str, Any]:
    """Value of these metadata by external id, where a record has it."""
    listed = {one["external_id"]: one["metadata"] or {} for one in api.listed(made)}
    return {id_: data[property_name] for id_, data in listed.items() if property_name in data}


def spoil(api: Api, made: Made, name: str) -> None:
    """A discard after which Argilla fails at every write to the record."""
    body = {"status": "discarded", "values": None}
    path = f"records/{made.records[name]}/responses"
    api.call("POST", path, body, by="ann", code=500)


# -- publishing ------------------------------------------------------------------------------------


def test_a_record_that_goes_while_its_batch_is_published_is_made_anew(
    api: Api, dataset: Made, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is new in the batch is out by then; its text is asked for all the same."""
    api.upsert(dataset, item("r1", "an apple"), item("r4", "a spade"))
    store = make_store()
    go = partial(api.call, "DELETE", f"records/{dataset.records['r1']}")
    Meanwhile(store, monkeypatch, "POST /records/bulk", go)
    published = batch(0, *proposing("r1", "r3", "r4"))
    assert store.publish(published, {one.id: one.text for one in POOL}) == frozenset()
    assert texts(api, dataset) == ["a pear", "a spade", "an apple"]
    assert store.visible([published]) == {"r1", "r3", "r4"}
    priorities = on(api, dataset, "priority")
    assert sorted(priorities, key=lambda id_: -priorities[id_]) == ["r1", "r3", "r4"]
    assert store.sweep(published.external_ids).missing == ()


@pytest.mark.usefixtures("their_pool")
def test_a_record_that_goes_while_a_pool_in_argilla_is_asked_stays_gone(
    api: Api, dataset: Made, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(in_place=True)
    go = partial(api.call, "DELETE", f"records/{dataset.records['r1']}")
    Meanwhile(store, monkeypatch, "GET /records", go)
    published = batch(0, *proposing("r1", "r3"))
    assert store.publish(published, {one.id: one.text for one in POOL}) == {"r1"}
    assert len(texts(api, dataset)) == len(POOL) - 1
    assert on(api, dataset, PROPERTY) == {"r3": OPEN}


# -- opening again ---------------------------------------------------------------------------------


def test_only_what_waits_for_answers_is_said_to_be_open_again(
    api: Api, dataset: Made, make_store: MakeStore
) -> None:
    store = make_store()
    put(store, published := batch(0, *proposing("r1", "r2")))
    dataset.records["r1"] = api.record(dataset, "r1")["id"]
    api.answer(dataset, "r1", "fruit")
    assert store.reopen([published]) == {"r2"}
    record = api.record(dataset, "r1")
    assert (record["status"], len(record["responses"])) == ("completed", 1)


def test_a_record_that_goes_while_it_gets_its_batch_back_keeps_no_other_from_people(
    api: Api, dataset: Made, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    put(store, published := batch(0, *proposing("r1", "r2")))
    ids = {name: api.record(dataset, name)["id"] for name in ("r1", "r2")}
    for id_ in ids.values():
        api.call("PATCH", f"records/{id_}", {"metadata": {"batch_id": "mine"}})
    go = partial(api.call, "DELETE", f"records/{ids['r1']}")
    Meanwhile(store, monkeypatch, "PUT /records/bulk", go)
    assert "r2" in store.reopen([published])
    assert on(api, dataset, "batch_id") == {"r2": "b0000"}
    assert store.visible([published]) == {"r2"}
    assert store.sweep(published.external_ids).missing == ("r1",)


# -- the queue of a pool in Argilla ----------------------------------------------------------------


@pytest.mark.usefixtures("their_pool")
@pytest.mark.parametrize("fate", ["gone", "spoilt"])
def test_a_mark_that_cannot_be_taken_back_keeps_no_other_one(
    api: Api, dataset: Made, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """Nor is it tried again and again: a later look at everything tells what bears a mark."""
    store = make_store(in_place=True)
    put(store, published := batch(0, *proposing("r1", "r2", "r3")))
    store.sweep(published.external_ids)
    if fate == "gone":
        api.call("DELETE", f"records/{dataset.records['r1']}")
    else:
        spoil(api, dataset, "r1")
    store.show_only({ExternalId("r2")})
    left = {"r1": OPEN} if fate == "spoilt" else {}
    assert on(api, dataset, PROPERTY) == {**left, "r2": OPEN}
    later = Meanwhile(store, monkeypatch)
    store.show_only({ExternalId("r2")})
    assert later.requests == []
    assert on(api, dataset, "batch_id").keys() == {"r2", "r3", *left}


# -- setting aside ---------------------------------------------------------------------------------


def states(api: Api, made: Made) -> dict[str, list[tuple[str, Any]]]:
    return {
        record["external_id"]: [(one["status"], one["values"]) for one in record["responses"]]
        for record in api.listed(made)
    }


def test_a_process_that_has_not_looked_sets_answers_aside_and_lets_lost_ones_be(
    api: Api, dataset: Made, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one look at everything, and one at the record that is there."""
    first = make_store()
    put(first, published := batch(0, *(BatchItem(PoolId(id_)) for id_ in ("r1", "r2", "r3"))))
    for id_ in ("r1", "r2", "r3"):
        dataset.records[id_] = api.record(dataset, id_)["id"]
        api.answer(dataset, id_, "tool")
    answers = first.sweep(published.external_ids).answers
    assert {one.external_id for one in answers} == {"r1", "r2", "r3"}
    api.call("DELETE", f"records/{dataset.records['r1']}")
    later = make_store(fresh=False)
    looks = Meanwhile(later, monkeypatch)
    later.set_aside([one for one in answers if one.external_id != "r3"])
    assert looks.requests == ["GET /records"] * 2
    said = {"label": {"value": "tool"}}
    assert states(api, dataset) == {"r2": [("discarded", said)], "r3": [("submitted", said)]}
    assert api.record(dataset, "r2")["status"] == "pending"
