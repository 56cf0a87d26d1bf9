"""Owns what is chosen for a batch, and by what; must not choose."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

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
        fresh: how many were chosen among the texts that joined late, as these have a share.
    """

    items: tuple[BatchItem, ...]
    strategy: str
    reason: str = ""
    fallback: tuple[PoolId, ...] = ()
    why: str = ""
    fresh: int = 0


class Choose(Protocol):
    """Chooses records of a batch, most informative first; fewer where fewer are left."""

    def __call__(
        self, count: int, beside: Collection[PoolId] = (), old: Collection[PoolId] = ()
    ) -> BatchChoice:
        """Choose so many.

        Args:
            count: how many.
            beside: ids that are in the batch already.
            old: ids without a label that it must not know of.
        """
        ...
