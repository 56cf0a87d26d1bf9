"""Owns the wiring: configuration in, parts out. The only place that joins the layers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.field_layout import layout_of
from loopd.annotation.store import AnnotationStore, Progress
from loopd.annotation.watcher import AnswerWatcher
from loopd.config import Config
from loopd.credentials import api_key
from loopd.data.pool import Pool
from loopd.data.reading import ReadingReport, leaks, read_pool
from loopd.errors import Interrupted
from loopd.learning.classifiers.contract import never_interrupted
from loopd.learning.learner import Learner
from loopd.learning.problems.problem import problem_of
from loopd.learning.seeding import for_step
from loopd.loop.account_watch import AccountWatch
from loopd.loop.argilla_pool import PoolNow, kept_pool, look, report_of
from loopd.loop.closing import Closing
from loopd.loop.draws import set_aside
from loopd.loop.label_resolver import LabelResolver
from loopd.loop.lookout import Lookout
from loopd.loop.settings_watch import SettingsWatch
from loopd.loop.stop import Stop
from loopd.machine import State
from loopd.records import PoolId
from loopd.storage.names import SavedNames
from loopd.storage.run_folder import CACHE_FOLDER
from loopd.storage.run_id import SavedIdentity
from loopd.tasks.registry import build_task
from loopd.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Clock:
    """Where steps take the time from.

    Attributes:
        wall: seconds since 1970, for the journal.
        monotonic: seconds from an arbitrary start, for durations.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class DataSets:
    """The pool, the test set and what reading them reported.

    Attributes:
        pool, test: as they are used.
        reports: by name.
        gone: pool ids of texts that a pool in Argilla does not show any more.
    """

    pool: Pool
    test: Pool | None
    reports: dict[str, ReadingReport]
    gone: frozenset[PoolId] = frozenset()

    @cached_property
    def leaks(self) -> tuple[PoolId, ...]:
        """Pool ids whose text is also in the test set."""
        return leaks(self.pool, self.test) if self.test is not None else ()


@dataclass(frozen=True)
class Tools:
    """Everything a step may use."""

    config: Config
    task: Task
    data: DataSets
    store: AnnotationStore
    learner: Learner
    watcher: AnswerWatcher
    clock: Clock = field(default_factory=Clock)
    resolver: LabelResolver = field(default_factory=LabelResolver)
    pause: Callable[[float], bool] = field(default=lambda _: False)
    """Waits so many seconds, or until a stop is asked for; whether it is."""
    interrupt: Callable[[], None] = field(default=lambda: None)
    """Says that the process is alive; raises ``Interrupted`` once a stop is asked for."""
    closing: Closing = field(default_factory=Closing)
    settings: SettingsWatch = field(default_factory=SettingsWatch)
    accounts: AccountWatch = field(default_factory=AccountWatch)
    lookout: Lookout = field(default_factory=Lookout)

    @cached_property
    def stop_set(self) -> tuple[PoolId, ...]:
        """Fixed random pool ids on which the stopping criteria look.

        Of the texts with which the run began: rounds are compared on the same ones.
        """
        import numpy as np

        ids = [record.id for record in self.data.pool.parts[0]]
        size = min(self.config.stopping.stop_set_size, len(ids))
        rng = np.random.default_rng(for_step(self.config.run.seed, 0, "stop set"))
        return tuple(ids[index] for index in sorted(rng.choice(len(ids), size, replace=False)))

    @cached_property
    def aside(self) -> tuple[PoolId, ...]:
        """Pool ids that only the audit may draw, in its order."""
        config = self.config
        return set_aside(self.data.pool, config.audit.share, config.run.seed)


def read_data(config: Config) -> DataSets:
    """Read the pool and the test set; of a pool in Argilla what the run's folder holds of it."""
    task = config.task
    if config.pool.argilla is not None:
        return with_test(config, DataSets(kept_pool(config), None, {}))
    pool, report = read_pool(
        config.pool, labels=task.labels, kind=task.type, none_label=task.none_label
    )
    return with_test(config, DataSets(pool, None, {"pool": report}))


def with_test(config: Config, data: DataSets) -> DataSets:
    """The data with the test set, if the configuration names one."""
    task = config.task
    if config.test is None:
        return data
    test, report = read_pool(
        config.test,
        labels=task.labels,
        kind=task.type,
        none_label=task.none_label,
        require_gold=True,
    )
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
    return with_test(config, data), now


def build_store(config: Config, min_submitted: int | None = None) -> ArgillaStore:
    """A client for the Argilla that the configuration names; does not connect yet.

    Args:
        config: the configuration.
        min_submitted: what the run has adopted from Argilla in the place of the configured number.
    """
    plan = DatasetPlan(
        build_task(config.task),
        config.task.guidelines,
        config.queue.min_submitted if min_submitted is None else min_submitted,
        SavedIdentity(config.run.dir),
        in_place=config.pool.argilla is not None,
        shown=layout_of(config.pool, config.task.field),
    )
    return ArgillaStore(config.argilla, api_key(config.argilla), plan)


def build_learner(
    config: Config,
    pool: Pool,
    progress: Callable[[str, int, int], None] | None = None,
    interrupt: Callable[[], None] = never_interrupted,
) -> Learner:
    """The learner over a pool; loads nothing yet.

    ``interrupt`` is called at least every second of a long step.
    """
    task = config.task
    empty = task.type != "multi_label" or task.none_label is not None
    return Learner(
        pool,
        problem_of(task.type, task.labels, allow_empty=empty),
        classifier=config.classifier,
        strategy=config.strategy,
        seed=config.run.seed,
        cache=config.run.dir / CACHE_FOLDER,
        code_paths=(config.folder,),
        interrupt=interrupt,
        **({} if progress is None else {"progress": progress}),
    )


def build_tools(
    config: Config,
    data: DataSets,
    stop: Stop,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    store: AnnotationStore | None = None,
    clock: Clock | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Tools:
    """All parts of the loop; live unless another store and clock are given."""
    store = store or build_store(config)
    clock = clock or Clock()
    interrupt = interrupt_of(stop, beat)
    keep = config.people.keep_answers_of_deleted_accounts
    return Tools(
        config=config,
        task=build_task(config.task),
        data=data,
        store=store,
        learner=build_learner(config, data.pool, progress, interrupt),
        watcher=AnswerWatcher(store, config.queue.sweep_interval, clock.monotonic),
        clock=clock,
        pause=stop.wait,
        interrupt=interrupt,
        settings=SettingsWatch(
            store, config.queue.min_submitted, config.queue.sweep_interval, clock.monotonic
        ),
        accounts=AccountWatch(store, SavedNames(config.run.dir), keep=keep),
        lookout=Lookout(store, config.queue.sweep_interval, clock.monotonic),
    )


def interrupt_of(stop: Stop, beat: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """What a long step calls now and then: it beats, and raises once a stop is asked for."""

    def interrupt() -> None:
        beat()
        if stop.is_set():
            raise Interrupted("a stop was asked for")

    return interrupt
