"""Texts of several columns on a real Argilla: a field for each, found again by all of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.record_fields import RecordLayout
from loopd.annotation.run_mark import UnsavedIdentity
from loopd.data.parts import joined
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask
from tests.integration.conftest import Api, Made
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
LAYOUT = RecordLayout(("subject", "body"), ("customer",), ("rank", "score"))


def record(number: int, subject: str, body: str) -> Record:
    parts = tuple((name, text) for name, text in (("subject", subject), ("body", body)) if text)
    shown = (("customer", f"c{number} <b>"), ("rank", str(number)), ("score", "high"))
    return Record(PoolId(f"r{number}"), joined(parts), parts=parts, shown=shown)


POOL = Pool(
    (record(1, "a <i>pear</i>", "ripe & sweet"), record(2, "", "a saw\nnew"), record(3, "x", ""))
)


@pytest.fixture
def place(argilla: LiveArgilla) -> Iterator[tuple[Any, Any, str]]:
    """How a store of the run is made, the people, and the name of the dataset."""
    name, run, stores = f"parts-{uuid.uuid4().hex[:10]}", UnsavedIdentity(), []

    def store(layout: RecordLayout = LAYOUT) -> ArgillaStore:
        plan = DatasetPlan(TASK, "", 1, run, shown=layout)
        stores.append(ArgillaStore(argilla.section(name), argilla.owner_key, plan))
        return stores[-1]

    people = argilla.people(name)
    yield store, people, name
    people.close()
    for each in stores:
        each.close()


def batch(number: int, *ids: str) -> Batch:
    items = tuple(BatchItem(PoolId(id_), 0.5, reason=f"why {id_}") for id_ in ids)
    return Batch(f"b{number:04d}", number, "margin", f"m{number}", items)


def put(store: ArgillaStore, some: Batch) -> None:
    store.publish(some, {id_: POOL[id_].text for id_ in some.record_ids})


def test_people_see_each_part_and_what_stands_beside_it(
    place: tuple[Any, Any, str], argilla: LiveArgilla
) -> None:
    make, people, _ = place
    store = make()
    made = Made(store.open(POOL, fresh=True))
    put(store, batch(0, "r1", "r2", "r3"))
    api = Api(argilla)
    try:
        shown = {each["external_id"]: each for each in api.listed(made)}
        fields = api.call("GET", f"datasets/{made.id}/fields")["items"]
    finally:
        api.close()
    assert [(each["name"], each["required"]) for each in fields] == [
        ("subject", True), ("body", False), ("customer", False),
    ]  # fmt: skip
    assert shown["r1"]["fields"] == {
        "subject": "a &lt;i>pear&lt;/i>", "body": "ripe & sweet", "customer": "c1 &lt;b>",
    }  # fmt: skip
    assert shown["r2"]["fields"]["subject"] == ""
    assert "body" not in shown["r3"]["fields"]
    metadata = shown["r1"]["metadata"]
    assert (metadata["rank"], metadata["pool_score"], metadata["score"]) == ("1", "high", 0.5)
    assert metadata["chosen_because"] == "why r1"
    people.submit("r1", "ann", "fruit")
    people.submit("r3", "ann", "tool")
    told = {one.external_id: one.value for one in store.sweep({ExternalId("r1"), "r3"}).answers}
    assert told == {"r1": "fruit", "r3": "tool"}


def test_a_run_that_goes_on_knows_its_texts_again(place: tuple[Any, Any, str]) -> None:
    make, people, _ = place
    store = make()
    first = batch(0, "r1", "r2", "r3")
    identifier = store.open(POOL, fresh=True)
    put(store, first)
    again = make()
    assert again.open(POOL, fresh=False) == identifier
    put(again, first)  # a restart publishes twice
    assert sorted(people.open_records("ann")) == ["r1", "r2", "r3"]
    published = {item.external_id: item for item in again.published(POOL).items}
    assert {ExternalId(id_) for id_ in POOL.positions} <= published.keys()
    people.submit("r2", "ann", "tool")
    (answer,) = again.sweep(set(first.external_ids)).answers
    assert (answer.external_id, answer.status) == ("r2", AnswerStatus.SUBMITTED)


def test_a_second_opinion_shows_all_parts(
    place: tuple[Any, Any, str], argilla: LiveArgilla
) -> None:
    make, people, _ = place
    store = make()
    made = Made(store.open(POOL, fresh=True))
    put(store, batch(0, "r1"))
    people.submit("r1", "ann", "fruit")
    store.sweep({ExternalId("r1")})
    copy = replace(batch(1, "r1").items[0], copy_id=ExternalId("r1#2"))
    put(store, replace(batch(1, "r1"), items=(copy,)))
    api = Api(argilla)
    try:
        shown = {each["external_id"]: each["fields"] for each in api.listed(made)}
    finally:
        api.close()
    assert shown["r1#2"] == shown["r1"]


def test_a_dataset_without_the_fields_is_refused(place: tuple[Any, Any, str]) -> None:
    make, _, _ = place
    make(RecordLayout(("text",))).open(POOL, fresh=True)
    with pytest.raises(DatasetError, match="no text field `subject`"):
        make().open(POOL, fresh=False)
