"""The store in memory refuses what the one on Argilla refuses; see the contract for the rest."""

from __future__ import annotations

import pytest

from loopd.annotation.memory_store import MemoryStore
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
APPLE = "an <b>apple</b>"


def pool(text: str) -> Pool:
    return Pool((Record(PoolId("r1"), text), Record(PoolId("r2"), "a spade")))


@pytest.fixture
def store() -> MemoryStore:
    """With an answer on one text."""
    store = MemoryStore(TASK)
    store.open(pool(APPLE), fresh=True)
    batch = Batch("b0000", 0, "random", None, (BatchItem(PoolId("r1")),))
    store.publish(batch, {PoolId("r1"): APPLE})
    store.submit(ExternalId("r1"), "ann", "fruit")
    return store


def heard(store: MemoryStore) -> list[tuple[str, object]]:
    return [(one.external_id, one.value) for one in store.sweep([ExternalId("r1")]).answers]


def test_an_answer_is_not_taken_for_one_to_another_text(store: MemoryStore) -> None:
    with pytest.raises(DatasetError, match="another text under the id `r1`"):
        store.open(pool("a pear"), fresh=False)
    assert heard(store) == [("r1", "fruit")]


def test_a_pool_that_holds_what_people_were_shown_is_opened_again(store: MemoryStore) -> None:
    """They were shown it with escapes; of a text that is withdrawn the pool has none."""
    for again in (pool(APPLE), pool(APPLE).without_texts([PoolId("r1")]), Pool(())):
        assert store.open(again, fresh=False) == "memory"
        assert heard(store) == [("r1", "fruit")]


def test_a_removal_deletes_what_the_store_has_made_and_nothing_of_others() -> None:
    """As on Argilla, and as often as it is asked."""
    texts = Pool(tuple(Record(PoolId(f"r{number}"), f"text {number}") for number in range(1, 5)))
    store = MemoryStore(TASK)
    store.open(texts, fresh=True)
    store.log(ExternalId("r1"), "text 1")
    store.log(ExternalId("r3"), "text 3", made_by="ann")
    batch = Batch("b0000", 0, "random", None, tuple(map(BatchItem, texts.ids)))
    for _ in range(2):  # as after a crash
        store.publish(batch, {one.id: one.text for one in texts})
    for id_, stay in (("r1", {"r1"}), ("r2", {"r1"}), ("r3", {"r1", "r3"})):
        removed = {f"text {number}" for number in range(1, int(id_[1]) + 1)}
        assert store.remove([ExternalId(id_)], removed.__contains__) == stay
    assert [store.holds(ExternalId(id_)) for id_ in texts.ids] == [True, False, True, True]
    assert store.metadata(ExternalId("r1")) == {}
    assert store.metadata(ExternalId("r3")) == {"made_by": "ann"}
