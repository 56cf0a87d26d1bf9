"""Owns what is chosen for a batch, and by what; must not choose."""

from __future__ import annotations

from dataclasses import dataclass

from loopd.records import BatchItem, PoolId


@dataclass(frozen=True, slots=True)
class BatchChoice:
    """Records that are chosen for a batch.

    Attributes:
        items: the records, most informative first.
        strategy: name of the query strategy that really chose them.
        reason: why that chooses a record, in the words of one that is not loopd's; empty otherwise.
        fallback: pool ids of records among them that were drawn at random instead, and do train.
        why: why they were; empty where there are none.
    """

    items: tuple[BatchItem, ...]
    strategy: str
    reason: str = ""
    fallback: tuple[PoolId, ...] = ()
    why: str = ""
