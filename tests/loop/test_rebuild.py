"""Batches read off records: in order, with gaps, with metadata that people changed, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from loopd.annotation import record_schema
from loopd.annotation.store import PublishedItem
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.operations.rebuild import UNKNOWN, Rebuilt, rebuild
from loopd.records import Batch, BatchItem, ExternalId, JsonValue, PoolId, Record, Suggestion
from loopd.tasks.single_label import SingleLabelTask

TASK = SingleLabelTask(("a", "b"), "label", "text", "Which?")
POOL = Pool(tuple(Record(PoolId(f"r{number}"), f"text {number}") for number in range(40)))


def batch(number: int, *ids: str, model: str | None = "m", strategy: str = "s") -> Batch:
    """``r1#2`` is a copy of ``r1``."""

    def item(place: int, id_: str) -> BatchItem:
        record_id, sign, _ = id_.partition("#")
        proposal = None if sign else Suggestion("a", 0.5)
        return BatchItem(
            PoolId(record_id), 1 / (1 + place), proposal, ExternalId(id_) if sign else None
        )

    items = tuple(item(place, id_) for place, id_ in enumerate(ids))
    return Batch(f"b{number:04d}", number, strategy, model, items)


def shown(*batches: Batch) -> dict[str, PublishedItem]:
    """The records of these batches as a store shows them, the last one first."""

    def items() -> Iterator[PublishedItem]:
        for each in reversed(batches):
            for place, item in reversed(list(enumerate(each.items))):
                yield PublishedItem(
                    external_id=item.external_id,
                    field=POOL[item.record_id].text,
                    metadata=record_schema.metadata(each, place),
                    suggestion=item.suggestion,
                    answered=True,
                    time=f"2026-01-0{each.round + 1}T00:00:00.{place:06d}",
                )

    return {str(item.external_id): item for item in items()}


def rebuilt(items: Mapping[str, PublishedItem]) -> Rebuilt:
    return rebuild(list(items.values()), POOL, TASK)


def changed(item: PublishedItem, **metadata: JsonValue) -> PublishedItem:
    """The record with other metadata; ``None`` takes one away."""
    merged = {**item.metadata, **metadata}
    return replace(item, metadata={name: each for name, each in merged.items() if each is not None})


FIRST = batch(0, "r5", "r1", "r3", model=None, strategy="cold")
SECOND = batch(1, "r2", "r1#2", "r10")


def test_whole_batches_come_back_in_their_order() -> None:
    found = rebuilt(shown(FIRST, SECOND))
    assert found.batches == (FIRST, SECOND)
    assert found.notes == ()
    first, second = found.published
    assert first is not None
    assert second is not None
    assert second - first == pytest.approx(86400)


def test_large_batches_keep_their_order() -> None:
    whole = batch(0, *(f"r{number}" for number in range(39, -1, -1)))
    assert rebuilt(shown(whole)).batches == (whole,)


def test_a_batch_of_which_nothing_is_left_keeps_its_place() -> None:
    third = batch(2, "r7", "r8")
    found = rebuilt(shown(FIRST, third))
    assert [each.items for each in found.batches] == [FIRST.items, (), third.items]
    assert (found.batches[1].id, found.batches[1].strategy) == ("b0001", UNKNOWN)
    assert found.published[1] is None
    assert found.notes == ("of batch b0001 nothing is left in Argilla",)


@pytest.mark.parametrize("gone", ["r5", "r1"])
def test_a_batch_with_a_hole_says_so(gone: str) -> None:
    items = shown(FIRST)
    del items[gone]
    found = rebuilt(items)
    assert [item.external_id for item in found.batches[0].items] == [
        id_ for id_ in ("r5", "r1", "r3") if id_ != gone
    ]
    (note,) = found.notes
    assert "only 2 records are in Argilla, of at least 3" in note


@pytest.mark.parametrize(
    ("change", "odd"),
    [
        ({"round": 7}, 1),
        ({"round": None}, 1),
        ({"batch_id": None}, 1),
        ({"strategy": "another", "model_id": "another"}, 0),
        ({"score": "high"}, 0),
    ],
    ids=str,
)
def test_changed_metadata_are_outvoted(change: dict[str, Any], odd: int) -> None:
    items = shown(FIRST, SECOND)
    items["r2"] = changed(items["r2"], **change)
    found = rebuilt(items)
    assert [each.external_ids for each in found.batches] == [
        FIRST.external_ids,
        SECOND.external_ids,
    ]
    assert (found.batches[1].strategy, found.batches[1].model_id) == ("s", "m")
    assert len(found.notes) == odd


def test_records_that_were_ranked_anew_name_another_model() -> None:
    """The batch keeps its own, also where most of its records were open; none is missed."""
    third = batch(2, "r7", "r8", model="m2")
    ranked = {"r1": 1.0, "r3": 0.5}, {"r2": 1.0, "r10": 0.5}
    items = shown(FIRST, SECOND, third)
    for some in ranked:
        for id_, priority in some.items():
            items[id_] = changed(items[id_], model_id="m2", priority=priority)
    items["r5"] = changed(items["r5"], priority=0.75)
    found = rebuilt(items)
    assert [each.model_id for each in found.batches] == [None, "m", "m2"]
    assert found.batches[0].external_ids == ("r1", "r5", "r3")
    assert found.notes == ()


def test_a_record_without_priority_comes_last() -> None:
    items = shown(FIRST)
    items["r5"] = changed(items["r5"], priority=None)
    found = rebuilt(items)
    assert found.batches[0].external_ids == ("r1", "r3", "r5")
    assert found.notes == ("somebody changed the metadata of 1 record of batch b0000",)


@pytest.mark.parametrize("metadata", [{}, {"batch_id": "theirs"}, {"batch_id": 3, "round": -1}])
def test_records_without_a_batch_are_in_none(metadata: dict[str, Any]) -> None:
    """Somebody removed the metadata, or they are somebody else's: their answers count outside."""
    items = shown(FIRST, SECOND)
    for id_, answered in (("r2", True), ("r1#2", True), ("r10", False)):
        items[id_] = replace(items[id_], metadata=metadata, answered=answered)
    items["r20"] = replace(items["r5"], external_id=ExternalId("r20"), field="text 20", metadata={})
    found = rebuilt(items)
    (first,) = found.batches
    assert first == FIRST
    taken, left = found.notes
    assert taken.startswith("3 records of the pool name no batch but have answers")
    assert left.startswith("1 record of the pool name no batch and have no answer")


def test_records_of_others_are_left_alone() -> None:
    items = shown(FIRST)
    theirs = replace(items["r5"], metadata={"source": "x"}, field="their text")
    items["theirs"] = replace(theirs, external_id=ExternalId("theirs"))
    items["r5#9"] = replace(theirs, external_id=ExternalId("r5#9"))
    items["none"] = replace(items["r5"], external_id=None)
    items["no field"] = replace(theirs, external_id=ExternalId("other"), field=None)
    found = rebuilt(items)
    assert found.batches == (FIRST,)
    assert found.notes == ("4 records of the dataset are not of this run and stay as they are",)


@pytest.mark.parametrize(
    "field_value", ["a <b>saw</b>", "a &lt;b>saw&lt;/b>", "a &lt;b&gt;saw&lt;/b&gt;"]
)
def test_texts_are_the_same_however_somebody_has_put_them_in(field_value: str) -> None:
    pool = Pool((Record(PoolId("r1"), "a <b>saw</b>"),))
    first = Batch("b0000", 0, "s", None, (BatchItem(PoolId("r1")),))
    item = PublishedItem(
        ExternalId("r1"), field_value, record_schema.metadata(first, 0), None, False, "no time"
    )
    assert rebuild([item], pool, TASK).batches == (first,)


def test_copies_of_a_record_that_is_gone() -> None:
    items = shown(FIRST, SECOND)
    del items["r1"]
    found = rebuilt(items)
    assert found.batches[0].external_ids == ("r5", "r3", "r1")
    assert found.batches[1] == SECOND
    assert any("second opinions are gone from Argilla (`r1`)" in note for note in found.notes)


def test_copies_of_what_came_with_an_answer_need_no_original() -> None:
    pool = Pool(tuple(replace(each, answers=(("old", "a"),)) for each in POOL))
    items = list(shown(batch(0, "r1#2")).values())
    found = rebuild(items, pool, TASK)
    assert found.batches[0].external_ids == ("r1#2",)
    assert found.notes == ()


def test_ids_of_the_pool_that_look_like_copies_are_none() -> None:
    pool = Pool((Record(PoolId("r1"), "text 1"), Record(PoolId("r1#2"), "text 1 again")))
    first = Batch("b0000", 0, "s", None, (BatchItem(PoolId("r1#2")),))
    item = PublishedItem(
        ExternalId("r1#2"), "text 1 again", record_schema.metadata(first, 0), None, False, "no time"
    )
    found = rebuild([item], pool, TASK)
    assert found.batches == (first,)
    assert found.published == (None,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"external_id": "q1"}, r"1 record of the dataset name a batch, .* \(`q1`\)"),
        ({"external_id": "q1#2"}, r"not a text of the pool \(`q1#2`\)"),
        ({"field": "another text"}, r"another text than the pool \(`r5`\)"),
        ({"metadata": {"batch_id": "b123456789"}}, r"batch b123456789, .* after b0001"),
        ({"metadata": {"round": 10**30}}, "would come after b0001"),
    ],
    ids=str,
)
def test_what_cannot_be_right_is_refused(change: dict[str, Any], words: str) -> None:
    items = shown(FIRST, SECOND)
    items["r5"] = replace(items["r5"], **change)
    with pytest.raises(DatasetError, match=words):
        rebuilt(items)


def test_nothing_is_refused() -> None:
    with pytest.raises(DatasetError, match="nothing to recover"):
        rebuilt({})
