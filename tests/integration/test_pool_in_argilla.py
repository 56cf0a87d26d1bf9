"""The pool is a dataset in Argilla: loopd works on its records, and makes none."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loopd.annotation.argilla_store import ArgillaStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.loop.argilla_pool import kept_pool, pool_options
from loopd.loop.tools import build_store
from loopd.machine import Phase
from loopd.operations.check import check
from loopd.operations.recover import run_recovery
from loopd.operations.status import read_run
from loopd.oracle.rehearsal import oracle_task
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Suggestion
from loopd.storage.run_folder import JOURNAL_NAME
from tests.integration.conftest import LABEL, TEXT, Api, Made, item
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

QUEUE = "loopd_queue"
TEXTS = {
    "r1": "an apple",
    "r2": "a <b>bold</b> saw & more",
    "r3": "a pear",
    "r4": "a spade",
    "r5": "a plum",
}
Json = dict[str, Any]
MakeStore = Callable[[], ArgillaStore]


@pytest.fixture
def theirs(api: Api) -> Made:
    """Five records, and one that repeats a text, with a further field that each must have."""
    dataset = api.draft(name := f"pool-{uuid.uuid4().hex[:8]}", min_submitted=2)
    api.add_field(dataset, "text")
    api.add_field(dataset, "topic")
    api.add_question(dataset, "label", LABEL)
    api.add_question(dataset, "why", TEXT, required=False)
    api.add_property(dataset, "priority", "integer")
    api.publish(dataset)
    dataset.questions["name"] = name
    texts = {**TEXTS, "again": "a pear"}
    api.upsert(dataset, *(record(id_, text) for id_, text in texts.items()))
    return dataset


def record(id_: str, text: str) -> Json:
    body = item(id_, text, metadata={"priority": 3, "kind": "tool" if "s" in text else "fruit"})
    return {**body, "fields": {**body["fields"], "topic": f"of {id_}"}}


@pytest.fixture
def config(
    argilla: LiveArgilla, theirs: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Config:
    monkeypatch.setenv("ARGILLA_API_KEY", argilla.owner_key)
    there = {"workspace": argilla.server.workspace, "dataset": theirs.questions["name"]}
    settings = {
        "run": {"dir": "run"},
        "argilla": {"url": argilla.url},
        "task": {"labels": ["fruit", "tool"]},
        "pool": {"argilla": there},
        "classifier": {"name": "tfidf"},
        "dashboard": {"enabled": False},
    }
    return parse_config(settings, tmp_path)


@pytest.fixture
def store(config: Config) -> Iterator[ArgillaStore]:
    with closing(build_store(config)) as store:
        yield store


def opened(store: ArgillaStore, config: Config) -> Pool:
    pool, _ = store.texts(pool_options(config))
    store.open(pool, fresh=True)
    return pool


def put(store: ArgillaStore, pool: Pool, number: int, *items: BatchItem) -> Batch:
    batch = Batch(f"b{number:04d}", number, "breaking_ties", "m", items)
    store.publish(batch, {id_: pool[id_].text for id_ in batch.record_ids})
    return batch


def queue(api: Api, made: Made) -> set[str]:
    return {one["external_id"] for one in api.listed(made) if (one["metadata"] or {}).get(QUEUE)}


def test_a_batch_is_marked_and_ranked_where_it_is(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    before = {one["id"]: one for one in api.listed(theirs)}
    pool = opened(store, config)
    assert [each.id for each in pool] == list(TEXTS)
    items = (BatchItem(PoolId("r3"), 0.5, Suggestion("fruit", 0.75)), BatchItem(PoolId("r1")))
    put(store, pool, 0, *items)
    after = {one["id"]: one for one in api.listed(theirs)}
    assert after.keys() == before.keys()
    assert all(after[id_]["fields"] == one["fields"] for id_, one in before.items())
    metadata = {one["external_id"]: one["metadata"] for one in after.values()}
    assert [metadata[id_]["loopd_priority"] for id_ in ("r3", "r1")] == [1.0, 0.5]
    assert all(one["priority"] == 3 for one in metadata.values())
    assert metadata["r4"] == {"priority": 3, "kind": "tool"}
    assert queue(api, theirs) == {"r1", "r3"}
    query = parse_qs(urlsplit(store.describe()).query)
    assert query["metadata"] == [f"{QUEUE}.open"]
    assert query["sort"] == ["metadata.loopd_priority.desc"]


def test_the_queue_shows_what_the_run_waits_for_and_nothing_else(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    pool = opened(store, config)
    batch = put(store, pool, 0, *(BatchItem(PoolId(id_)) for id_ in ("r1", "r2", "r3", "r4")))
    api.answer(theirs, "r1")  # one of two: Argilla goes on showing it
    for person in ("ann", "bob"):
        api.answer(theirs, "r2", by=person)
    wiped = {"id": theirs.records["r4"], "metadata": {"priority": 4}}
    api.call("PUT", f"datasets/{theirs.id}/records/bulk", {"items": [wiped]})
    store.sweep(batch.external_ids)
    store.show_only({ExternalId("r3"), ExternalId("r4")})
    assert queue(api, theirs) == {"r2", "r3", "r4"}  # r2 is completed: nobody is shown it
    kept = api.record(theirs, "r1")["metadata"]
    assert (kept["loopd_batch_id"], kept["priority"]) == ("b0000", 3)
    mended = api.record(theirs, "r4")["metadata"]
    assert mended == {"priority": 4, QUEUE: "open", "loopd_run": kept["loopd_run"]}
    store.sweep(batch.external_ids)
    touched = {one["id"]: one["updated_at"] for one in api.listed(theirs)}
    store.show_only({ExternalId("r3"), ExternalId("r4")})
    assert {one["id"]: one["updated_at"] for one in api.listed(theirs)} == touched
    with closing(build_store(config)) as later:
        later.open(pool, fresh=False)
        later.show_only(())
    assert queue(api, theirs) == {"r2"}


def test_what_was_removed_or_edited_is_not_made_again(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    pool = opened(store, config)
    api.call("DELETE", f"records/{theirs.records['r1']}")
    edited = {"id": theirs.records["r4"], "fields": {"text": "a shovel", "topic": "x"}}
    api.call("PUT", f"datasets/{theirs.id}/records/bulk", {"items": [edited]})
    batch = put(store, pool, 0, *(BatchItem(PoolId(id_)) for id_ in ("r1", "r3", "r4")))
    assert len(api.listed(theirs)) == len(TEXTS)
    assert set(store.sweep(batch.external_ids).missing) == {"r1", "r4"}
    assert queue(api, theirs) == {"r3"}
    store.show_only({ExternalId("r1"), ExternalId("r3"), ExternalId("r4")})
    assert queue(api, theirs) == {"r3"}


def test_what_was_left_out_is_named(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    pool = opened(store, config)
    api.call("DELETE", f"records/{theirs.records['r1']}")
    edited = {"id": theirs.records["r4"], "fields": {"text": "a shovel", "topic": "x"}}
    api.call("PUT", f"datasets/{theirs.id}/records/bulk", {"items": [edited]})
    batch = Batch("b0000", 0, "x", "m", tuple(BatchItem(PoolId(id_)) for id_ in ("r1", "r3", "r4")))
    texts = {id_: pool[id_].text for id_ in batch.record_ids}
    assert store.publish(batch, texts) == {"r1", "r4"}
    assert store.visible([batch]) == {"r3"}


@pytest.mark.parametrize("lost", [("loopd_batch_id", QUEUE), ("loopd_batch_id",), (QUEUE,)])
def test_what_is_opened_again_is_in_the_queue_again(
    store: ArgillaStore, config: Config, theirs: Made, api: Api, lost: tuple[str, ...]
) -> None:
    pool = opened(store, config)
    batch = put(store, pool, 0, *(BatchItem(PoolId(id_)) for id_ in ("r1", "r2")))
    kept = {k: v for k, v in api.record(theirs, "r1")["metadata"].items() if k not in lost}
    wiped = {"id": theirs.records["r1"], "metadata": kept}
    api.call("PUT", f"datasets/{theirs.id}/records/bulk", {"items": [wiped]})
    store.sweep(batch.external_ids)
    assert store.reopen([batch]) == {"r1", "r2"}
    assert queue(api, theirs) == {"r1", "r2"}
    after = api.record(theirs, "r1")["metadata"]
    assert after["loopd_batch_id"] == "b0000"
    assert kept.items() <= after.items()
    store.show_only({ExternalId("r2")})
    assert queue(api, theirs) == {"r2"}


def test_answers_count_for_the_text_on_whatever_record(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    api.answer(theirs, "again")
    api.answer(theirs, "r2", "tool", by="bob")
    api.answer(theirs, "r4", by="cyd", status="draft")
    opened(store, config)
    given = {(one.external_id, one.value) for one in store.sweep(()).answers}
    assert given == {("r3", "fruit"), ("r2", "tool")}


def test_a_second_opinion_is_a_copy_and_no_text_of_its_own(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    pool = opened(store, config)
    put(store, pool, 0, BatchItem(PoolId("r2")))
    put(store, pool, 1, BatchItem(PoolId("r2"), copy_id=ExternalId("r2#2")))
    copy = api.record(theirs, "r2#2")
    assert copy["fields"] == api.record(theirs, "r2")["fields"]
    api.call("DELETE", f"records/{theirs.records['r2']}")
    assert "r2#2" not in store.texts(pool_options(config))[0]


def test_what_cannot_serve_is_refused_with_a_sentence(
    config: Config, theirs: Made, api: Api, argilla: LiveArgilla
) -> None:
    def refusal(**changes: Any) -> str:
        section = config.argilla.model_copy(update=changes)
        with (
            closing(build_store(config.model_copy(update={"argilla": section}))) as store,
            pytest.raises(DatasetError) as caught,
        ):
            store.texts(pool_options(config))
        return str(caught.value)

    assert "there is no dataset `none`" in refusal(dataset="none")
    api.draft(draft := f"draft-{uuid.uuid4().hex[:8]}")
    assert "is a draft" in refusal(dataset=draft)
    api.add_property(theirs, QUEUE, "integer")
    assert f"its metadata `{QUEUE}` is integer, not terms" in refusal()


def test_a_dataset_that_goes_after_its_texts_were_read_is_not_made_anew(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    """Its records are the pool: an empty one would ask people nothing."""
    pool, _ = store.texts(pool_options(config))
    api.call("DELETE", f"datasets/{theirs.id}")
    with pytest.raises(DatasetError) as caught:
        store.open(pool, fresh=True)
    named = f"`{config.argilla.dataset}` in workspace `{config.argilla.workspace}`"
    assert caught.value.message == f"there is no dataset {named} on {config.argilla.url}"
    assert caught.value.hint == "check argilla.url, argilla.workspace and argilla.dataset"
    listed = api.call("GET", "me/datasets")["items"]
    assert config.argilla.dataset not in {one["name"] for one in listed}


@pytest.mark.parametrize("change", ["comes", "goes"])
def test_a_record_that_comes_or_goes_while_the_texts_are_read_doubles_none(
    store: ArgillaStore,
    config: Config,
    theirs: Made,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    """When all pages are read there is one more, or one less, than they had: one more look."""
    monkeypatch.setattr("loopd.annotation.argilla_store.PAGE_SIZES", (4, 3))
    changes = iter([change])
    pages: list[tuple[int, int]] = []

    def progress(_: str, so_far: int, total: int) -> None:
        pages.append((so_far, total))
        if so_far == total:
            for one in changes:
                if one == "comes":
                    api.upsert(theirs, record("late", "a saw"))
                else:
                    api.call("DELETE", f"records/{theirs.records['r1']}")

    pool, report = store.texts(pool_options(config), progress)
    late = {"late": "a saw"} if change == "comes" else {}
    assert {one.id: one.text for one in pool} == {**TEXTS, **late}
    assert (report.rows, report.duplicates) == (6 + len(late), 1)  # a pear stands there twice
    total = 7 if late else 5
    assert pages == [(4, 6), (6, 6), (3, total), (min(6, total), total)] + [(7, 7)] * len(late)


def test_a_text_that_slips_over_the_border_of_a_page_is_read(
    store: ArgillaStore, config: Config, theirs: Made, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record before it goes meanwhile, and there seem to be as many as were read."""
    monkeypatch.setattr("loopd.annotation.argilla_store.PAGE_SIZES", (3, 4))
    going = iter(["r1"])

    def progress(*_: object) -> None:
        for id_ in going:
            api.call("DELETE", f"records/{theirs.records[id_]}")

    pool, _ = store.texts(pool_options(config), progress)
    assert {one.text for one in pool} == set(TEXTS.values())


def test_check_says_what_is_there_and_changes_nothing(
    config: Config, theirs: Made, api: Api
) -> None:
    for person in ("ann", "bob"):
        api.answer(theirs, "r1", by=person)
    before = api.listed(theirs)
    properties = api.call("GET", f"me/datasets/{theirs.id}/metadata-properties")
    findings = list(check(config))
    assert [one.text for one in findings if one.level == "error"] == []
    (said,) = [one.text for one in findings if one.topic == "pool"][:1]
    assert said.startswith("dataset `pool-")
    assert "6 rows, 5 kept" in said
    assert "2 answers" in said
    assert api.listed(theirs) == before
    assert api.call("GET", f"me/datasets/{theirs.id}/metadata-properties") == properties
    assert not config.run.dir.exists()


def test_a_run_whose_folder_is_lost_is_rebuilt(
    store: ArgillaStore, config: Config, theirs: Made, api: Api
) -> None:
    api.answer(theirs, "r5")
    pool = opened(store, config)
    put(store, pool, 0, BatchItem(PoolId("r3")), BatchItem(PoolId("r1")))
    put(
        store,
        pool,
        1,
        BatchItem(PoolId("r2"), copy_id=None),
        BatchItem(PoolId("r3"), copy_id=ExternalId("r3#2")),
    )
    api.answer(theirs, "r1")
    for path in config.run.dir.iterdir():
        path.unlink()
    run_recovery(config, lambda _: None)
    state = read_run(config)
    assert (config.run.dir / JOURNAL_NAME).exists()
    assert state.phase is Phase.COLLECT
    assert [batch.external_ids for batch in state.batches] == [("r3", "r1"), ("r2", "r3#2")]
    assert {id_ for id_, _ in state.answers} == {"r1", "r5"}
    assert kept_pool(config).texts == pool.texts
    assert state.pool_fingerprint == kept_pool(config).fingerprint


def test_the_oracle_reads_its_labels_from_metadata(config: Config) -> None:
    task = oracle_task(config, "kind")
    assert task.gold == {"r1": "fruit", "r2": "tool", "r3": "fruit", "r4": "tool", "r5": "fruit"}
