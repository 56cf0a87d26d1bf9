"""Owns which rows of a table are new to a pool; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from loopd.data.pool import Pool
from loopd.records import PoolId, Record

AT_ONCE = 2**16
"""Records that are looked up at once."""


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
    for record, own, other in _placed(pool, records):
        if own >= 0:
            if own == other or pool.records[own].text in (record.text, ""):  # "": withdrawn
                shared += 1
            else:
                clashing[record.id] = None
        elif record.id in new:
            if new[record.id].text != record.text:
                clashing[record.id] = None
        elif other >= 0 or record.text in new_texts:
            duplicates += 1
        else:
            new[record.id] = record
            new_texts.add(record.text)
    return Arrivals(tuple(new.values()), duplicates, tuple(clashing), shared)


def _placed(pool: Pool, records: Iterable[Record]) -> Iterator[tuple[Record, int, int]]:
    """Each record, and the positions of its id and of its text in the pool, -1 for none."""
    rest = iter(records)
    while some := list(islice(rest, AT_ONCE)):
        ids = pool.find(record.id for record in some)
        yield from zip(some, ids, pool.find_texts(record.text for record in some), strict=True)
