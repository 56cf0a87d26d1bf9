"""One contract for every annotation store: in memory, and on a real Argilla."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from loopd.annotation import record_search
from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.queue_mark import PROPERTY as QUEUE
from loopd.annotation.record_fields import MARKS
from loopd.annotation.record_schema import METADATA
from loopd.annotation.run_mark import PROPERTY
from loopd.annotation.store import AnnotationStore
from loopd.data.pool import Pool
from loopd.errors import AuthError, DatasetError
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    BatchItem,
    ExternalId,
    PoolId,
    Record,
    Suggestion,
)
from loopd.tasks.single_label import SingleLabelTask
from tests.integration.conftest import LABEL, TEXT, Api, Made, item
from tests.live import LiveArgilla

NO_POOL = Pool(())

pytestmark = pytest.mark.integration

LABELS = ("fruit", "tool")
TASK = SingleLabelTask(LABELS, "label", "text", "Which?")


def batch(number: int, *record_ids: str, suggestions: bool = False) -> Batch:
    proposal = Suggestion("tool", 0.75) if suggestions else None
    items = tuple(BatchItem(PoolId(record_id), 0.5, proposal) for record_id in record_ids)
    return Batch(f"b{number:04d}", number, "breaking_ties", f"model-{number}", items)


def texts(published: Batch) -> dict[PoolId, str]:
    return {record_id: f"text of {record_id}" for record_id in published.record_ids}


def put(store: AnnotationStore, published: Batch) -> None:
    store.publish(published, texts(published))


def answers(store: AnnotationStore, *record_ids: str) -> dict[str, tuple[AnswerStatus, Any]]:
    """Status and value by record, where one person answered."""
    found = store.sweep(tuple(map(ExternalId, record_ids))).answers
    assert len({each.external_id for each in found}) == len(found)
    return {each.external_id: (each.status, each.value) for each in found}


MakeStore = Callable[..., ArgillaStore]


@pytest.fixture
def make_store(argilla: LiveArgilla) -> Iterator[MakeStore]:
    made: list[ArgillaStore] = []

    def make(dataset: str = "", **change: Any) -> ArgillaStore:
        task = SingleLabelTask(change.get("labels", LABELS), "label", "text", "Which?")
        name = dataset or f"contract-{uuid.uuid4().hex[:10]}"
        section = argilla.section(name)
        plan = DatasetPlan(task, "Read closely.", change.get("min_submitted", 1))
        made.append(ArgillaStore(section, change.get("key", argilla.owner_key), plan))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture(params=["memory", "argilla"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[AnnotationStore, Any]]:
    """A store, not open yet, and the people who answer in it."""
    if request.param == "memory":
        store = MemoryStore(TASK)
        yield store, store
        return
    live: LiveArgilla = request.getfixturevalue("argilla")
    name = f"contract-{uuid.uuid4().hex[:10]}"
    people = live.people(name)
    yield request.getfixturevalue("make_store")(name), people
    people.close()


# -- every store -------------------------------------------------------------------------------


def test_publishing_twice_is_publishing_once(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    first = batch(0, "r1", "r2", "r3")
    for _ in range(3):
        put(store, first)
    assert sorted(people.open_records("ann")) == ["r1", "r2", "r3"]


def test_answers_survive_publishing_again(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    first = batch(0, "r1", "r2", "r3", suggestions=True)
    put(store, first)
    people.submit("r1", "ann", "fruit")
    people.discard("r2", "ann")
    before = store.sweep(first.external_ids)
    put(store, first)
    after = store.sweep(first.external_ids)
    assert set(after.answers) == set(before.answers)
    assert answers(store, *first.record_ids) == {
        "r1": (AnswerStatus.SUBMITTED, "fruit"),
        "r2": (AnswerStatus.DISCARDED, None),
    }


@pytest.mark.parametrize("page", [100, 2], ids=["one page", "pages"])
def test_a_partial_sweep_has_the_answers_on_its_batches_and_nothing_is_missing(
    page: int, place: tuple[AnnotationStore, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_search, "PAGE_WITH_ANSWERS", page)
    store, people = place
    store.open(NO_POOL, fresh=True)
    first, second = batch(0, "r1", "r2"), batch(1, "r3", "r4", "r5")
    put(store, first)
    put(store, second)
    people.submit("r1", "ann", "fruit")
    people.submit("r3", "ann", "tool")
    people.submit("r3", "bob", "fruit")
    people.discard("r4", "bob")
    whole = store.sweep((*first.external_ids, *second.external_ids))
    assert not whole.is_partial
    partial = store.sweep_batches([second])
    assert partial.is_partial
    assert partial.missing == ()
    assert partial.listed == 3
    assert set(partial.answers) == {one for one in whole.answers if one.external_id in ("r3", "r4")}
    people.submit("r3", "bob", "tool")
    people.delete("r5")
    partial = store.sweep_batches([first, second])
    assert (partial.missing, partial.listed) == ((), 4)
    found = {(one.external_id, one.value) for one in partial.answers}
    assert found == {("r1", "fruit"), ("r3", "tool"), ("r4", None)}
    assert store.sweep_batches([]).answers == ()


def test_a_batch_is_shown_once_it_is_published(place: tuple[AnnotationStore, Any]) -> None:
    store, _ = place
    store.open(NO_POOL, fresh=True)
    assert not store.visible([batch(0, "r1")])
    put(store, batch(0, "r1", "r3"))
    assert store.visible([batch(0, "r1", "r3")]) == {"r1", "r3"}
    assert store.visible([batch(0, "r1", "r4"), batch(1, "r2")]) == {"r1"}
    assert store.visible([batch(0, "r3")], open_only=True) == {"r3"}


def test_more_is_shown_than_an_index_pages_through(
    place: tuple[AnnotationStore, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if an index gave no more than four hits; each bulk has moments of its own."""
    monkeypatch.setattr("loopd.annotation.record_search.PAGE", 2)
    monkeypatch.setattr("loopd.annotation.record_search.WINDOW", 4)
    store, people = place
    store.open(NO_POOL, fresh=True)
    batches = [batch(number, f"a{number}", f"b{number}", f"c{number}") for number in range(4)]
    for each in batches:
        put(store, each)
    ids = {id_ for each in batches for id_ in each.external_ids}
    assert store.visible(batches) == ids
    people.delete("b1")
    assert store.visible(batches) == ids - {"b1"}
    assert store.visible(batches, open_only=True) == ids - {"b1"}


def test_the_account_list_knows_who_answers(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2"))
    people.submit("r1", "ann", "fruit")
    accounts = store.accounts()
    assert accounts is not None
    assert accounts.complete
    assert accounts.names[people.ids["ann"]] == "ann"


def test_what_is_opened_again_stays_as_it_is(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    first = batch(0, "r1", "r2", "r3", "r4", suggestions=True)
    put(store, first)
    people.submit("r2", "ann", "fruit")
    people.discard("r3", "ann")
    people.delete("r4")
    before = store.published(NO_POOL).items, set(store.sweep(first.external_ids).answers)
    for _ in range(2):
        assert store.reopen([replace(first, items=first.items[:1] + first.items[2:])]) == {
            "r1",
            "r3",
        }
    assert (store.published(NO_POOL).items, set(store.sweep(first.external_ids).answers)) == before
    assert store.sweep(first.external_ids).missing == ("r4",)
    assert store.visible([first]) == {"r1", "r2", "r3"}


def test_only_untouched_records_are_refreshed(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    first = batch(0, "r1", "r2", "r3", suggestions=True)
    put(store, first)
    people.submit("r2", "ann", "fruit")
    better = Suggestion("fruit", 0.5)
    items = tuple(BatchItem(PoolId(id_), 0.5, better) for id_ in ("r3", "r2"))
    again = replace(first, model_id="model-1", items=items)
    for _ in range(2):
        store.refresh([again], texts(first))
    assert people.suggestion("r1") == people.suggestion("r2") == Suggestion("tool", 0.75)
    assert people.suggestion("r3") == better
    assert people.text("r3") == "text of r3"
    assert answers(store, "r1", "r2", "r3") == {"r2": (AnswerStatus.SUBMITTED, "fruit")}


def test_a_refresh_leaves_alone_what_people_deleted(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    first = batch(0, "r1", "r2", suggestions=True)
    put(store, first)
    people.delete("r1")
    better = Suggestion("fruit", 0.5)
    items = tuple(BatchItem(PoolId(id_), 0.5, better) for id_ in ("r1", "r2"))
    store.refresh([replace(first, model_id="model-1", items=items)], texts(first))
    assert people.suggestion("r2") == better
    assert store.sweep((ExternalId("r1"), ExternalId("r2"))).missing == ("r1",)


def test_a_sweep_reads_only_what_it_is_asked_for(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2"))
    people.submit("r1", "ann", "fruit")
    people.submit("r2", "ann", "tool")
    assert answers(store, "r2") == {"r2": (AnswerStatus.SUBMITTED, "tool")}
    nothing = store.sweep(())
    assert (nothing.answers, nothing.missing) == ((), ())


def test_a_sweep_reports_what_is_missing(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2", "r3"))
    people.submit("r1", "ann", "fruit")
    people.delete("r1")
    people.delete("r3")
    sweep = store.sweep((ExternalId("r3"), ExternalId("r1"), ExternalId("r2"), ExternalId("never")))
    assert sweep.missing == ("never", "r1", "r3")
    assert sweep.answers == ()


def test_an_edit_a_withdrawal_and_a_second_person(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1"))
    people.submit("r1", "ann", "fruit")
    (first,) = store.sweep((ExternalId("r1"),)).answers
    people.submit("r1", "ann", "tool")
    (second,) = store.sweep((ExternalId("r1"),)).answers
    assert (first.value, second.value) == ("fruit", "tool")
    assert first.time == second.time  # of the first answer: it settles ties
    assert first.changed < second.changed
    people.submit("r1", "bob", "fruit")
    found = {each.annotator: each.value for each in store.sweep((ExternalId("r1"),)).answers}
    assert found == {people.ids["ann"]: "tool", people.ids["bob"]: "fruit"}
    people.withdraw("r1", "ann")
    (left,) = store.sweep((ExternalId("r1"),)).answers
    assert isinstance(left, Answer)
    assert left.value == "fruit"


def test_the_trigger_moves_with_every_answer(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2"))
    seen = [store.activity()]
    assert store.activity() == seen[0]
    acts: tuple[Callable[[], None], ...] = (
        lambda: people.submit("r1", "ann", "fruit"),
        lambda: people.submit("r1", "ann", "tool"),
        lambda: people.discard("r2", "ann"),
        lambda: people.withdraw("r1", "ann"),
    )
    for act in acts:
        act()
        seen.append(store.activity())
    assert len(set(seen)) == len(seen)


def test_a_fresh_open_may_be_repeated_until_a_batch_is_out(
    place: tuple[AnnotationStore, Any],
) -> None:
    store, _ = place
    for _ in range(3):
        store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1"))
    with pytest.raises(DatasetError, match="another run") as refused:
        store.open(NO_POOL, fresh=True)
    assert "loopd recover" in refused.value.hint
    store.open(NO_POOL, fresh=False)
    assert store.sweep((ExternalId("r1"),)).missing == ()


def test_a_missing_dataset_is_an_error_once_the_run_has_begun(
    place: tuple[AnnotationStore, Any],
) -> None:
    store, people = place
    with pytest.raises(DatasetError, match="gone"):
        store.open(NO_POOL, fresh=False)
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1"))
    people.drop()
    calls: tuple[Callable[[], object], ...] = (
        store.activity,
        lambda: store.sweep((ExternalId("r1"),)),
        lambda: put(store, batch(0, "r1")),
        lambda: store.open(NO_POOL, fresh=False),
    )
    for call in calls:
        with pytest.raises(DatasetError, match="gone"):
            call()


def again(number: int, *record_ids: str) -> Batch:
    """A batch that asks for second opinions."""
    items = tuple(BatchItem(PoolId(id_), 0.5, copy_id=ExternalId(f"{id_}#2")) for id_ in record_ids)
    return Batch(f"b{number:04d}", number, "activelab", f"model-{number}", items)


def test_a_copy_is_a_record_of_its_own(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2"))
    people.submit("r1", "ann", "fruit")
    for _ in range(2):
        put(store, again(1, "r1"))
    assert sorted(people.open_records("ann")) == ["r1#2", "r2"]
    people.submit("r1#2", "bob", "tool")
    assert answers(store, "r1", "r1#2") == {
        "r1": (AnswerStatus.SUBMITTED, "fruit"),
        "r1#2": (AnswerStatus.SUBMITTED, "tool"),
    }
    people.delete("r1#2")
    assert store.sweep((ExternalId("r1"), ExternalId("r1#2"))).missing == ("r1#2",)


def test_setting_an_answer_aside_makes_it_a_discard(place: tuple[AnnotationStore, Any]) -> None:
    store, people = place
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2"))
    people.submit("r1", "ann", "fruit")
    people.submit("r1", "bob", "tool")
    people.submit("r2", "ann", "tool")
    given = {
        (each.external_id, each.annotator): each
        for each in store.sweep((ExternalId("r1"), ExternalId("r2"))).answers
    }
    token = store.activity()
    for _ in range(2):
        store.set_aside([given[ExternalId("r1"), people.ids["ann"]]])
    assert store.activity() != token
    found = {
        (each.external_id, each.annotator): each
        for each in store.sweep((ExternalId("r1"), ExternalId("r2"))).answers
    }
    assert {key: each.status for key, each in found.items()} == {
        ("r1", people.ids["ann"]): AnswerStatus.DISCARDED,
        ("r1", people.ids["bob"]): AnswerStatus.SUBMITTED,
        ("r2", people.ids["ann"]): AnswerStatus.SUBMITTED,
    }
    assert all(each.time == given[key].time for key, each in found.items())
    people.withdraw("r1", "bob")
    people.delete("r2")
    store.set_aside(list(given.values()))  # nothing of it is submitted any more
    (left,) = store.sweep((ExternalId("r1"),)).answers
    assert left.status is AnswerStatus.DISCARDED


def test_what_is_published_is_listed(place: tuple[AnnotationStore, Any]) -> None:
    """Without `open`, and with all that it needs to become a batch again."""
    store, people = place
    assert store.open(NO_POOL, fresh=True) == store.published(NO_POOL).dataset_id
    assert store.published(NO_POOL).items == ()
    put(store, batch(0, "r1", "r2", suggestions=True))
    (before,) = {each.time for each in store.published(NO_POOL).items if each.external_id == "r1"}
    put(store, batch(0, "r1", "r2", suggestions=True))
    put(store, again(1, "r1"))
    people.submit("r1", "ann", "fruit")
    people.discard("r1#2", "bob")
    steps: list[tuple[str, int, int]] = []
    found = {
        each.external_id: each
        for each in store.published(NO_POOL, lambda *step: steps.append(step)).items
    }
    assert set(found) == {"r1", "r2", "r1#2"}
    assert found[ExternalId("r1")].time == before
    assert {id_: each.answered for id_, each in found.items()} == {
        "r1": True,
        "r2": False,
        "r1#2": True,
    }
    assert found[ExternalId("r2")].suggestion == Suggestion("tool", 0.75)
    assert found[ExternalId("r1#2")].suggestion is None
    assert found[ExternalId("r1")].field == found[ExternalId("r1#2")].field == "text of r1"
    assert found[ExternalId("r2")].metadata == {
        "batch_id": "b0000",
        "round": 0,
        "strategy": "breaking_ties",
        "model_id": "model-0",
        "score": 0.5,
        "priority": 0.5,
    }
    assert found[ExternalId("r1#2")].metadata["second_opinion_of"] == "r1"
    assert all(done == total for _, done, total in steps)
    people.drop()
    with pytest.raises(DatasetError):
        store.published(NO_POOL)


# -- only a real Argilla -----------------------------------------------------------------------


def test_a_copy_says_what_it_is_and_proposes_nothing(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"copies-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", suggestions=True))
    put(store, again(1, "r1"))
    made = _existing(api, name)
    first, copy = (api.record(made, each) for each in ("r1", "r1#2"))
    assert copy["fields"] == first["fields"]
    assert copy["suggestions"] == []
    assert copy["metadata"]["second_opinion_of"] == "r1"
    assert "second_opinion_of" not in first["metadata"]


def test_a_run_of_an_older_version_gets_the_new_metadata(make_store: MakeStore, api: Api) -> None:
    old: dict[str, Any] = {
        "batch_id": "terms",
        "round": "integer",
        "strategy": "terms",
        "score": "float",
    }
    old |= {"priority": "float", "model_id": "terms"}
    made = api.dataset(name=(name := f"old-{uuid.uuid4().hex[:8]}"), **old)
    api.call("PATCH", f"datasets/{made.id}", {"allow_extra_metadata": False})
    store = make_store(name)
    store.open(NO_POOL, fresh=False)
    put(store, again(1, "r1"))
    assert store.sweep((ExternalId("r1#2"),)).missing == ()


def test_an_answer_that_is_set_aside_opens_its_record_and_keeps_its_value(
    make_store: MakeStore, api: Api
) -> None:
    store = make_store(name := f"aside-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    put(store, again(0, "r1"))
    made = _existing(api, name)
    made.records["r1#2"] = api.record(made, "r1#2")["id"]
    api.answer(made, "r1#2", "tool")
    assert api.record(made, "r1#2")["status"] == "completed"
    store.set_aside(store.sweep((ExternalId("r1#2"),)).answers)
    record = api.record(made, "r1#2")
    assert record["status"] == "pending"
    (response,) = record["responses"]
    assert (response["status"], response["values"]) == (
        "discarded",
        {"label": {"value": "tool"}},
    )
    api.answer(made, "r1#2", "fruit", by="bob")
    assert api.record(made, "r1#2")["status"] == "completed"


@pytest.mark.slow
def test_more_records_than_a_page(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"large-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    made = _existing(api, name)
    names = [ExternalId(f"r{number:04d}") for number in range(1005)]
    for start in range(0, len(names), 500):
        api.upsert(made, *(item(name, f"text of {name}") for name in names[start : start + 500]))
    steps: list[tuple[int, int]] = []
    pool = Pool(tuple(Record(PoolId(name), f"text of {name}") for name in names))
    listed = store.published(pool, lambda _, done, total: steps.append((done, total))).items
    assert {each.external_id for each in listed} == set(names)
    assert len(listed) == 1005
    assert steps == [(1000, 1005), (1005, 1005), (997, 1005), (1005, 1005)]
    last = api.listed(made, offset=1004)[0]["external_id"]
    api.answer(made, last, "tool")
    sweep = store.sweep(names)
    assert sweep.missing == ()
    assert [(each.external_id, each.value) for each in sweep.answers] == [(last, "tool")]
    api.call("DELETE", f"records/{made.records['r0500']}")
    sweep = store.sweep([*names, ExternalId("never")])
    assert sweep.missing == ("never", "r0500")
    assert len(sweep.answers) == 1


def test_listing_a_dataset_that_is_absent_or_a_draft(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"listed-{uuid.uuid4().hex[:8]}")
    with pytest.raises(DatasetError, match="there is no dataset"):
        store.published(NO_POOL)
    api.draft(name)
    assert store.published(NO_POOL).items == ()


def test_records_of_others_in_the_dataset_are_left_alone(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"shared-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    made = _existing(api, name)
    api.upsert(made, item("theirs", metadata={"source": "import"}), {"fields": {"text": "no id"}})
    api.answer(made, "theirs", "tool")
    store.open(NO_POOL, fresh=True)  # these records are no batch of a run
    put(store, batch(0, "r1"))
    made.records["r1"] = api.record(made, "r1")["id"]
    api.answer(made, "r1", "fruit")
    assert answers(store, "r1") == {"r1": (AnswerStatus.SUBMITTED, "fruit")}
    assert store.sweep((ExternalId("r1"),)).missing == ()
    assert api.record(made, "theirs")["metadata"] == {"source": "import"}


def test_other_texts_under_the_pools_ids_are_refused(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"taken-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    made = _existing(api, name)
    api.upsert(made, {"external_id": "r1", "fields": {"text": "the team's own text"}})
    pool = Pool((Record(PoolId("r1"), "our text"), Record(PoolId("r2"), "another text")))
    with pytest.raises(DatasetError, match="another text under the id `r1`"):
        store.open(pool, fresh=True)
    assert api.record(made, "r1")["fields"] == {"text": "the team's own text"}


def test_what_a_record_carries(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"carried-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    put(store, batch(1, "r1", "r2", suggestions=True))
    plain = Batch("b0002", 2, "random", None, (BatchItem(PoolId("r3")),))
    put(store, plain)
    made = _existing(api, name)
    first, second, third = (api.record(made, each) for each in ("r1", "r2", "r3"))
    assert first["fields"] == {"text": "text of r1"}
    assert set(first["metadata"]) == {*METADATA, PROPERTY} - {
        "second_opinion_of",
        "origin",
        "chosen_because",
    }
    assert first["metadata"]["priority"] > second["metadata"]["priority"] > 0
    (proposal,) = first["suggestions"]
    assert (proposal["value"], proposal["score"]) == ("tool", 0.75)
    assert proposal["agent"] == "loopd:model-1"
    assert third["suggestions"] == []
    assert set(third["metadata"]) == {"batch_id", "round", "strategy", "priority", PROPERTY}
    dataset = api.call("GET", f"datasets/{made.id}")
    assert (dataset["status"], dataset["guidelines"]) == ("ready", "Read closely.")
    assert store.describe().endswith(f"/dataset/{made.id}/annotation-mode")


def test_drafts_and_null_answers(make_store: MakeStore, api: Api) -> None:
    store = make_store(name := f"drafts-{uuid.uuid4().hex[:8]}")
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", "r2", "r3"))
    made = _existing(api, name)
    draft = api.answer(made, "r1", "tool", status="draft")
    api.answer(made, "r2", None, status="draft")
    api.answer(made, "r3", None, status="discarded")
    api.answer(made, "r3", "tool", status="discarded", by="bob")
    found = store.sweep((ExternalId("r1"), ExternalId("r2"), ExternalId("r3"))).answers
    assert [(each.external_id, each.status, each.value) for each in found] == [
        ("r3", AnswerStatus.DISCARDED, None)
    ] * 2
    api.edit(draft, "tool")
    (given,) = store.sweep((ExternalId("r1"),)).answers
    assert (given.value, given.time) == ("tool", draft["inserted_at"])
    assert given.changed > given.time


@pytest.mark.parametrize("parts", ["nothing", "field", "field, question", "field, question, one"])
def test_a_half_made_dataset_is_finished(make_store: MakeStore, api: Api, parts: str) -> None:
    """What a crash in the middle of creating leaves behind, at each place."""
    name = f"half-{uuid.uuid4().hex[:8]}"
    made = api.draft(name)
    if "field" in parts:
        api.add_field(made, "text")
    if "question" in parts:
        api.add_question(made, "label", TASK.question()["settings"])
    if "one" in parts:
        api.add_property(made, "round", "integer")
    store = make_store(name)
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1"))
    assert store.sweep((ExternalId("r1"),)).missing == ()
    assert api.call("GET", f"datasets/{made.id}")["status"] == "ready"
    kinds = api.call("GET", f"me/datasets/{made.id}/metadata-properties")["items"]
    assert {each["name"] for each in kinds} == {*METADATA, *MARKS} - {QUEUE}


def test_attaching_to_a_dataset_with_more_in_it(make_store: MakeStore, api: Api) -> None:
    """Other fields and questions are fine as long as nobody has to fill them in."""
    made = _other_dataset(api, name := f"attached-{uuid.uuid4().hex[:8]}", required=False)
    store = make_store(name)
    assert "exists and fits" in store.preview(NO_POOL, fresh=True)
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", suggestions=True))
    made.records["r1"] = api.record(made, "r1")["id"]
    api.answer(made, "r1", "none")  # a label that the task does not know
    assert answers(store, "r1") == {"r1": (AnswerStatus.INVALID, "none")}


def test_attaching_to_a_dataset_with_more_that_is_required(make_store: MakeStore, api: Api) -> None:
    _other_dataset(api, name := f"attached-{uuid.uuid4().hex[:8]}", required=True)
    store = make_store(name)
    pool = Pool((Record(PoolId("r1"), "not there yet"),))
    for call in (store.preview, store.open):
        with pytest.raises(DatasetError, match=r"another field `more`, and 1 texts .* as `r1`"):
            call(pool, fresh=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ("fruit", "animal")}, r"lacks the labels \['animal'\]"),
        ({"min_submitted": 2}, "completes a record at 1 answers, fewer than queue.min_submitted"),
    ],
    ids=("labels", "min_submitted"),
)
def test_a_dataset_that_does_not_fit(
    make_store: MakeStore, api: Api, change: dict[str, Any], words: str
) -> None:
    name = f"unfit-{uuid.uuid4().hex[:8]}"
    api.dataset(name=name)
    store = make_store(name, **change)
    for call in (store.preview, store.open):
        with pytest.raises(DatasetError, match=words):
            call(NO_POOL, fresh=True)


@pytest.mark.parametrize(
    ("field_settings", "question_settings", "words"),
    [
        (
            {"type": "chat", "use_markdown": False},
            LABEL,
            r"no text field `text`; its fields: `text` \(chat\)",
        ),
        (TEXT, {"type": "text"}, "`label` is a text, not label_selection"),
        (TEXT, {**LABEL, "type": "multi_label_selection"}, "is a multi_label_selection"),
    ],
    ids=("field", "question", "multi"),
)
def test_parts_of_another_kind(
    make_store: MakeStore,
    api: Api,
    field_settings: dict[str, Any],
    question_settings: dict[str, Any],
    words: str,
) -> None:
    made = api.draft(name := f"kind-{uuid.uuid4().hex[:8]}")
    api.add_field(made, "text", **field_settings)
    api.add_question(made, "label", question_settings)
    api.publish(made)
    with pytest.raises(DatasetError, match=words):
        make_store(name).open(NO_POOL, fresh=True)


def test_a_dataset_that_takes_no_other_metadata(make_store: MakeStore, api: Api) -> None:
    """Our own properties are added before anything is published."""
    made = api.draft(name := f"closed-{uuid.uuid4().hex[:8]}")
    api.call("PATCH", f"datasets/{made.id}", {"allow_extra_metadata": False})
    api.add_field(made, "text")
    api.add_question(made, "label", LABEL)
    api.publish(made)
    store = make_store(name)
    store.open(NO_POOL, fresh=True)
    put(store, batch(0, "r1", suggestions=True))
    assert store.sweep((ExternalId("r1"),)).missing == ()


def test_looking_changes_nothing(make_store: MakeStore, api: Api) -> None:
    name = f"looked-{uuid.uuid4().hex[:8]}"
    assert "will be created" in make_store(name).preview(NO_POOL, fresh=True)
    assert name not in {each["name"] for each in api.call("GET", "me/datasets")["items"]}
    made = api.draft(name)
    make_store(name).preview(NO_POOL, fresh=True)
    assert api.call("GET", f"datasets/{made.id}/fields")["items"] == []


def test_who_may_open(make_store: MakeStore, argilla: LiveArgilla) -> None:
    assert make_store().account() == (argilla.server.owner.username, "owner")
    with pytest.raises(AuthError, match="refuses the API key"):
        make_store(key="wrong").open(NO_POOL, fresh=True)
    with pytest.raises(AuthError, match="may not do this"):
        make_store(key=argilla.keys["ann"]).open(NO_POOL, fresh=True)


def _other_dataset(api: Api, name: str, *, required: bool) -> Made:
    """Somebody's own dataset: ours and more fields, questions, labels and metadata."""
    made = api.draft(name)
    api.add_field(made, "more", required=required)
    api.add_field(made, "text")
    api.add_question(made, "why", {"type": "text", "use_markdown": False}, required=required)
    api.add_question(made, "label", LABEL)
    api.add_property(made, "source", "terms")
    api.publish(made)
    return made


def _existing(api: Api, name: str) -> Made:
    """A dataset that the store made."""
    found = {each["name"]: each["id"] for each in api.call("GET", "me/datasets")["items"]}
    made = Made(found[name])
    made.records.update({each["external_id"]: each["id"] for each in api.listed(made)})
    return made
