"""Owns which texts a run has: those that its folder keeps and its journal knows of.

A run of an earlier version keeps none: they are read from where they came from, as it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopd import log
from loopd.config import Config
from loopd.data.pool import Pool
from loopd.data.pool_files import FileStamp, complete_bytes
from loopd.data.report import ReadingReport
from loopd.errors import DataError, StorageError
from loopd.loop.fetched_files import drop, drop_all
from loopd.loop.large_pool import is_large, on_disk
from loopd.loop.pool_source import columns, looks
from loopd.machine import State
from loopd.records import PoolId, blanked
from loopd.storage.pool_table import PoolTable
from loopd.storage.source_log import SeenFile, SourceLog
from loopd.storage.withdrawn_texts import read_withdrawn

Read = Callable[[str], tuple[Pool, ReadingReport]]
"""Reads the texts from where they came from; of several ways the one that gives a fingerprint."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The texts of a run.

    Attributes:
        pool: in the order in which they were taken in.
        report: what to say of them.
        is_kept: whether they came from the run's folder.
    """

    pool: Pool
    report: ReadingReport
    is_kept: bool = False


def taken_in(config: Config, state: State | None, read: Read) -> TakenIn:
    """The texts of a run; of one that has not begun what its files hold.

    Raises:
        StorageError: the folder does not hold the texts that the journal knows of, and nor does
            what they were read from.
        DataError: that cannot be read.
    """
    if state is None or state.started is None:
        return TakenIn(*read(""))
    try:
        pool = kept(config, state.pool_fingerprint, state.withdrawn)
    except StorageError as error:
        return _again(config, read, state, error)
    if pool is None:
        if state.intakes:
            raise _lost(config)
        return _without(state, *read(state.pool_fingerprint))
    drop_all(config)  # what a process before has left: whoever needs it brings it again
    count, name = len(pool), f"{config.run.dir.name}/pool"
    report = ReadingReport(name, count, count, duplicates=0, empty=0, refused=0, unlabeled=0)
    return TakenIn(pool, report, is_kept=True)


def kept(
    config: Config, fingerprint: str, withdrawn: Collection[PoolId] = frozenset()
) -> Pool | None:
    """The beginning of the table that has a fingerprint; ``None`` where there is no table.

    A large one stays on disk.

    Args:
        config: of the run.
        fingerprint: of the pool without the texts that are withdrawn.
        withdrawn: pool ids of these; they need not be erased yet.

    Raises:
        StorageError: no beginning of it has, or it cannot be read.
    """
    table = PoolTable(config.run.dir)
    before = read_withdrawn(config.run.dir).before
    if is_large(table):
        pool = on_disk(table, fingerprint)
        if pool is not None:
            return pool
        if not withdrawn and fingerprint not in before:
            raise _lost(config)
    pool = None
    for number, intake in enumerate(table.intakes(), start=1):
        records = tuple(blanked(each) if each.id in withdrawn else each for each in intake)
        pool = Pool(records) if pool is None else pool.grown(records)
        # The journal may be older than the table, from a backup.
        if pool.fingerprint == fingerprint or before.get(fingerprint) == number:
            return pool
    if pool is None:
        return None
    raise _lost(config)


def all_kept(config: Config) -> Pool | None:
    """All of the table, for whoever has lost the journal; ``None`` where there is none.

    Raises:
        StorageError: it cannot be read.
    """
    pool: Pool | None = None
    for intake in PoolTable(config.run.dir).intakes():
        known = () if pool is None else pool
        new = tuple(record for record in intake if record.id not in known)
        pool = Pool(new) if pool is None else pool.grown(new)
    return pool


def keep_first(
    config: Config, pool: Pool, seen: Mapping[Path, FileStamp], report: ReadingReport
) -> None:
    """Keep the first intake of a run, and what its files looked like.

    Args:
        config: of the run.
        pool: its texts.
        seen: what the files looked like before they were read; those at a URL came only then.
        report: of reading them.

    Raises:
        StorageError: the folder cannot be written.
    """
    aside = PoolTable(config.run.dir).begin(pool.records, time.time(), pool.fingerprint)
    if aside is not None:
        log.get("data").warning(
            "texts_moved_aside",
            folder=str(aside),
            hint="they are of another run: its journal needs them",
        )
    if config.pool.url is not None:
        seen = looks(config)
    if report.kept == len(pool):  # else the files have more than an earlier version began with
        counts = (report.duplicates, report.refused) if len(seen) == 1 else (0, 0)
        files = {str(path): _seen(path, look, counts, config) for path, look in seen.items()}
        SourceLog(config.run.dir).write(columns(config.pool), files)
        drop(config, (path for path, one in files.items() if one.whole))
    else:
        drop_all(config)


def _seen(path: Path, look: FileStamp, counts: tuple[int, int], config: Config) -> SeenFile:
    whole = config.pool.pace is None
    with suppress(DataError):  # gone since
        whole = whole or complete_bytes(path) == look.size
    return SeenFile(look.size, look.changed, whole, *counts)


def _again(config: Config, read: Read, state: State, error: StorageError) -> TakenIn:
    """What the files hold, where it is what the folder should."""
    with suppress(DataError):
        read_again = _without(state, *read(state.pool_fingerprint))
        if read_again.pool.fingerprint == state.pool_fingerprint:
            return read_again
    drop_all(config)
    raise error


def _without(state: State, pool: Pool, report: ReadingReport) -> TakenIn:
    """What was read from where it came from, but for what is withdrawn."""
    return TakenIn(pool.without_texts(state.withdrawn), report)


def _lost(config: Config) -> StorageError:
    return StorageError(
        f"{config.run.dir} does not hold the texts that this run has read",
        "restore its folder `pool` from a backup, or move the journal away and use `loopd recover`",
    )
