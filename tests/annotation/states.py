"""States made by hand: batches with copies, and answers on them."""

from __future__ import annotations

from loopd.machine import State
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, JsonValue, PoolId

SUBMITTED, DISCARDED = AnswerStatus.SUBMITTED, AnswerStatus.DISCARDED
WITHDRAWN, INVALID = AnswerStatus.WITHDRAWN, AnswerStatus.INVALID


def item(external_id: str) -> BatchItem:
    """``r1`` is a new text, ``r1#2`` a copy of it."""
    record_id, sign, _ = external_id.partition("#")
    return BatchItem(PoolId(record_id), copy_id=ExternalId(external_id) if sign else None)


def answer(
    external_id: str,
    annotator: str,
    value: JsonValue = "a",
    time: str = "t1",
    status: AnswerStatus = SUBMITTED,
) -> Answer:
    return Answer(
        ExternalId(external_id), annotator, status, value if status is SUBMITTED else None, time
    )


def state(published: str, *answers: Answer, deleted: tuple[str, ...] = ()) -> State:
    """One batch with these external ids, and these answers."""
    batch = Batch("b0000", 0, "activelab", None, tuple(item(id_) for id_ in published.split()))
    known = {(each.external_id, each.annotator): each for each in answers}
    return State(batches=(batch,), answers=known, deleted=frozenset(map(ExternalId, deleted)))
