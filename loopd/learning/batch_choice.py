"""Owns what choosing a batch gives; must not choose."""

from __future__ import annotations

from dataclasses import dataclass

from loopd.records import BatchItem


@dataclass(frozen=True, slots=True)
class BatchChoice:
    """Records that are chosen for a batch.

    Attributes:
        items: the records, most informative first.
        strategy: name of the query strategy that really chose them.
    """

    items: tuple[BatchItem, ...]
    strategy: str
