"""Owns which texts the stopping criteria look at, after each intake of the pool; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

import numpy as np

from loopd.data.pool import Pool
from loopd.learning.seeding import hashed, rng
from loopd.records import PoolId

PURPOSE = "stop set"

StopSets = tuple[tuple[PoolId, ...], ...]
"""Pool ids by number of intakes, in the order of the pool; the last one is of the pool as it is."""


def smallest_numbers(pool: Pool, size: int, seed: int) -> StopSets:
    """So many texts with the smallest numbers, a hash of seed and id.

    So a text that comes late is as likely to be among them as an early one. It takes the place of
    one with a larger number.

    Args:
        pool: all texts.
        size: ``stopping.stop_set_size``.
        seed: of the run.
    """
    return tuple(_smallest(pool, size, seed))


def without(sets: StopSets, ids: Collection[PoolId]) -> StopSets:
    """The sets without some texts; criteria begin afresh where one of these was in the last."""
    if not ids:
        return sets
    return tuple(tuple(id_ for id_ in some if id_ not in ids) for some in sets)


def _smallest(pool: Pool, size: int, seed: int) -> Iterator[tuple[PoolId, ...]]:
    positions, numbers, begin = np.empty(0, dtype=np.int64), np.empty(0), 0
    ids = iter(pool.ids)
    for end in pool.ends:
        new = hashed(seed, PURPOSE, islice(ids, end - begin))
        numbers = np.concatenate([numbers, new])
        positions = np.concatenate([positions, np.arange(begin, end)])
        kept = np.sort(np.argsort(numbers, kind="stable")[:size])
        positions, numbers, begin = positions[kept], numbers[kept], end
        yield tuple(pool.ids_at(positions.tolist()))


def of_the_beginning(pool: Pool, size: int, seed: int) -> StopSets:
    """The same in runs that began before texts had numbers: of the first intake, whatever joins."""
    count = pool.ends[0]
    rows = rng(seed, 0, PURPOSE).choice(count, min(size, count), replace=False)
    return (tuple(pool.ids_at(sorted(rows.tolist()))),)
