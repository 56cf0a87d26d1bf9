"""Owns which data a run works with: its pool, its test set, and what reading them reported.

Must not know what is done with them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.store import Progress
from loopd.config import Config, DataSection
from loopd.data.pool import Pool
from loopd.data.reading import ReadingReport, leaks, read_pool
from loopd.errors import DataError
from loopd.loop.argilla_pool import PoolNow, kept_pool, look, report_of
from loopd.loop.fetched_files import reachable
from loopd.loop.labelled_test import reserved
from loopd.loop.pool_source import PoolNews, is_reported, pool_news, scratch
from loopd.loop.taken_in import taken_in
from loopd.machine import State
from loopd.records import PoolId


@dataclass(frozen=True)
class DataSets:
    """The pool, the test set and what reading them reported.

    Attributes:
        pool, test: as they are used.
        reports: by name.
        gone: pool ids of texts that a pool in Argilla does not show any more.
        is_kept: whether the pool came from the run's folder.
        news: what its files hold by now that the run does not know; nothing where nobody looked.
    """

    pool: Pool
    test: Pool | None
    reports: dict[str, ReadingReport]
    gone: frozenset[PoolId] = frozenset()
    is_kept: bool = False
    news: PoolNews = field(default_factory=PoolNews)

    @cached_property
    def leaks(self) -> tuple[PoolId, ...]:
        """Pool ids whose text is also in the test set."""
        return leaks(self.pool, self.test) if self.test is not None else ()


def read_data(config: Config, state: State | None = None) -> DataSets:
    """Read the pool and the test set; of a pool in Argilla what the run's folder holds of it.

    Args:
        config: of the run.
        state: what its journal says: a run that an earlier version began goes on with the texts
            that it knows, as that version read them. Without it nobody goes on with the run, and
            no file that is fetched for it stays in its folder.
    """
    begun = state.started if state is not None else None
    if config.pool.argilla is not None:
        withdrawn = frozenset[PoolId]() if state is None else state.withdrawn
        pool = kept_pool(config).without_texts(withdrawn)
        return with_test(config, DataSets(pool, None, {}))
    texts = taken_in(config, state, partial(_read, config, keep=state is not None))
    test = begun.test_fingerprint if begun is not None else ""
    data = DataSets(texts.pool, None, {"pool": texts.report}, is_kept=texts.is_kept)
    return with_test(config, data, test)


def with_news(config: Config, data: DataSets) -> DataSets:
    """The data with what the files of the pool hold by now, where the run does not follow them."""
    if not data.is_kept or not is_reported(config):
        return data
    return replace(data, news=pool_news(config, data.pool))


def _read(
    config: Config, fingerprint: str, *, is_test: bool = False, keep: bool = False
) -> tuple[Pool, ReadingReport]:
    """The pool or the test set: the one with the fingerprint, if any way of reading gives it."""
    if is_test and config.test is not None:
        return _read_from(config.test, config, fingerprint, is_test=True)
    with reachable(config, keep=keep) as section:
        return _read_from(section, config, fingerprint)


def _read_from(
    section: DataSection, config: Config, fingerprint: str, *, is_test: bool = False
) -> tuple[Pool, ReadingReport]:
    task = config.task
    read = partial(
        read_pool,
        section,
        labels=task.labels,
        kind=task.type,
        none_label=task.none_label,
        require_gold=is_test,
        scratch=None if is_test or config.pool.pace is None else scratch(config),
    )
    now = read()
    if fingerprint and now[0].fingerprint != fingerprint:
        with suppress(DataError):
            before = read(legacy=True)
            if before[0].fingerprint == fingerprint:
                return before
        if not is_test and (beginning := now[0].beginning(fingerprint)) is not None:
            return beginning, now[1]  # it has grown since
    return now


def with_test(config: Config, data: DataSets, fingerprint: str = "") -> DataSets:
    """The data with the test set, if the configuration names a file of it.

    Args:
        config: of the run.
        data: without it.
        fingerprint: of the test set with which the run began.

    Raises:
        ConfigError: people are to label one, and the pool is too small for that.
    """
    if config.test_ask:
        reserved(data.pool, config.test_ask, config.run.seed)  # refuses a pool that is too small
    if config.test is None or config.test_ask:
        return data
    test, report = _read(config, fingerprint, is_test=True)
    return replace(data, test=test, reports={**data.reports, "test": report})


def look_at_data(
    config: Config, state: State, store: ArgillaStore, progress: Progress | None = None
) -> tuple[DataSets, PoolNow]:
    """The data of a run whose pool is in Argilla, as they are there now; nothing is written.

    Raises:
        DatasetError, DataError: see :func:`~loopd.loop.argilla_pool.look`.
    """
    now = look(config, state, store, progress)
    data = DataSets(now.pool, None, {"pool": report_of(now)}, now.gone)
    test = state.started.test_fingerprint if state.started is not None else ""
    return with_test(config, data, test), now
