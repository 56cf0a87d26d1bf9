"""Owns which rows of a table are new to a pool; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loopd.data.pool import Pool
from loopd.records import PoolId, Record


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a table has for a pool.

    Attributes:
        new: records whose id and text the pool lacks, in order, each text once.
        duplicates: how many have a text of the pool, or of one of these, under another id.
        clashing: ids that stand for another text in the pool, or for two among these.
        shared: how many are records of the pool: the same text under the same id, or one whose
            text was withdrawn.
    """

    new: tuple[Record, ...]
    duplicates: int
    clashing: tuple[PoolId, ...]
    shared: int


def arrivals(pool: Pool, records: Iterable[Record]) -> Arrivals:
    """Compare records with a pool; what does not join it is counted."""
    new: dict[PoolId, Record] = {}
    new_texts: set[str] = set()
    clashing: dict[PoolId, None] = {}
    duplicates = shared = 0
    for record in records:
        twin = pool[record.id] if record.id in pool else new.get(record.id)
        if twin is not None:
            if not twin.text:  # it was withdrawn
                shared += 1
            elif twin.text != record.text:
                clashing[record.id] = None
            elif record.id not in new:
                shared += 1
        elif record.text in pool.text_set or record.text in new_texts:
            duplicates += 1
        else:
            new[record.id] = record
            new_texts.add(record.text)
    return Arrivals(tuple(new.values()), duplicates, tuple(clashing), shared)
