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
