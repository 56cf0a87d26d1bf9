"""Owns which pools stay on disk while a run works with them, and how they are opened and grow.

Small ones are read into memory, which is faster and finds whatever has become of their texts at
once. Must not know where texts come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, islice

from loopd.config import Config
from loopd.data.pool import Digest, Pool, hashed, short
from loopd.data.stored_pool import Stored, StoredPool
from loopd.errors import StorageError
from loopd.records import Record
from loopd.storage.pool_table import PoolTable

ON_DISK_FROM = 50_000
"""Texts from which a pool stays on disk: of fewer all are read in half a second."""


def is_large(table: PoolTable) -> bool:
    """Whether the intakes are too many texts for memory.

    Raises:
        NewerError: a newer version wrote one.
    """
    count = 0
    with suppress(StorageError):  # said by whoever reads the intake, which may have no fact
        for intake in table.stored():
            count += len(intake)
    return count >= ON_DISK_FROM


def on_disk(table: PoolTable, fingerprint: str) -> Pool | None:
    """The beginning of a table that has a fingerprint; ``None`` where none has.

    What the files say of their fingerprints is believed: blocks are compared with their checksums
    when they are read. All texts are read where the files of an earlier version say none.

    Raises:
        StorageError: a file is damaged or cannot be read.
        NewerError: a newer version wrote one.
    """
    found: list[Stored] = []
    digest: Digest | None = hashlib.sha256()
    for intake in table.stored():
        if intake.fingerprint and intake.pool_fingerprint:
            digest = None
        else:
            digest = hashed(_digest(found) if digest is None else digest, intake.records())
            intake.fingerprint = short(hashed(hashlib.sha256(), intake.records()))
            intake.pool_fingerprint = short(digest)
        found.append(Stored(intake, intake.fingerprint, intake.pool_fingerprint))
        if intake.pool_fingerprint == fingerprint:
            return StoredPool(found)
    return None


def _digest(stored: Sequence[Stored]) -> Digest:
    """What has read all their records."""
    return hashed(hashlib.sha256(), chain.from_iterable(one.intake.records() for one in stored))


def moved_to_disk(config: Config, pool: Pool) -> Pool:
    """A large pool in memory as it has just been written; any other as it is.

    Raises:
        StorageError: it cannot be read again.
    """
    if len(pool) < ON_DISK_FROM or isinstance(pool, StoredPool):
        return pool
    return on_disk(PoolTable(config.run.dir), pool.fingerprint) or pool


def grown(config: Config, pool: Pool, records: Sequence[Record], source: str) -> Pool:
    """The pool with one more intake, whose file is written before.

    Args:
        config: of the run.
        pool: as it is.
        records: what joins it.
        source: what they came from.

    Raises:
        StorageError: it cannot be written; of a pool on disk also where it cannot be read.
    """
    table, number = PoolTable(config.run.dir), len(pool.ends)
    if not isinstance(pool, StoredPool):
        after = pool.grown(records)
        prints = after.pieces[-1].fingerprint, after.fingerprint
        table.put(number, records, source, prints)
        return after
    if short(pool.digest) != pool.fingerprint:
        raise StorageError(
            f"{config.run.dir} does not hold the texts that this run has read",
            "restore its folder `pool` from a backup",
        )
    digest, alone = hashed(pool.digest, records), short(hashed(hashlib.sha256(), records))
    table.put(number, records, source, (alone, short(digest)))
    intake = next(islice(table.stored(), number, None))
    return pool.joined(Stored(intake, alone, short(digest)), digest)
