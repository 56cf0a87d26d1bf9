"""What is known of a dataset between two listings of it."""

from __future__ import annotations

from typing import Any

from loopd.annotation import queue_mark, run_mark
from loopd.annotation.record_index import RecordIndex
from loopd.data.pool import Pool
from loopd.records import ExternalId, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
POOL = Pool(tuple(Record(PoolId(f"r{number}"), f"text {number}") for number in range(4)))
OPEN = {run_mark.PROPERTY: "run", queue_mark.PROPERTY: queue_mark.OPEN}


def entry(number: int, *, status: str = "pending", **metadata: str) -> dict[str, Any]:
    return {
        "id": f"id-{number}",
        "external_id": f"r{number}",
        "fields": {"text": f"text {number}"},
        "metadata": metadata,
        "status": status,
    }


def test_a_search_tells_of_records_that_are_listed_and_of_no_others() -> None:
    """Where another one stands is not known: the next listing would seem superfluous."""
    index = RecordIndex(TASK, POOL)
    index.replace([entry(0, **OPEN), entry(1, **OPEN), entry(2)])
    index.update([entry(3, **OPEN), entry(1, status="completed", **OPEN), entry(2, **OPEN)])
    assert index.positions == {"id-0": 0, "id-1": 1, "id-2": 2}
    assert index.total == 3
    assert index.record_id(ExternalId("r3")) is None
    assert index.marked_ids == {"id-0", "id-1", "id-2"}
    assert index.completed_ids == {"id-1"}


def test_what_a_search_no_longer_shows_on_a_record_is_forgotten() -> None:
    index = RecordIndex(TASK, POOL)
    index.replace([entry(0, **OPEN), entry(1, status="completed", **OPEN)])
    index.update([entry(1)])
    assert (index.marked_ids, index.completed_ids) == ({"id-0"}, set())
    index.replace([entry(3), entry(1)])
    assert index.positions == {"id-3": 0, "id-1": 1}
    assert index.record_id(ExternalId("r3")) == "id-3"
