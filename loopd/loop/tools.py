"""Owns the wiring: configuration in, parts out. The only place that joins the layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.record_fields import layout_of
from loopd.annotation.store import AnnotationStore
from loopd.annotation.watcher import AnswerWatcher
from loopd.compute.ray_engine import engine_of
from loopd.config import ClassifierSection, Config
from loopd.credentials import api_key
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.events import HASHED, SHUFFLED
from loopd.learning.auto_classifiers import contending
from loopd.learning.classifiers.contract import never_interrupted, silent
from loopd.learning.learner import Learner
from loopd.learning.problems.problem import problem_of
from loopd.loop.account_watch import AccountWatch
from loopd.loop.audit_draws import draw_order, set_aside
from loopd.loop.batch_closing import Closing
from loopd.loop.data_sets import DataSets
from loopd.loop.labelled_test import reserved
from loopd.loop.large_pool import moved_to_disk
from loopd.loop.pool_watch import PoolWatch
from loopd.loop.removal_watch import RemovalWatch
from loopd.loop.round_labels import LabelResolver
from loopd.loop.settings_watch import SettingsWatch
from loopd.loop.stop import Stop, interrupt_of, ticking
from loopd.loop.stop_sets import StopSets, of_the_beginning, smallest_numbers, without
from loopd.loop.visibility import VisibilityCheck
from loopd.machine import State
from loopd.records import PoolId
from loopd.storage.names import SavedNames
from loopd.storage.run_folder import CACHE_FOLDER
from loopd.storage.run_id import SavedIdentity
from loopd.tasks.guidelines import guidelines_of
from loopd.tasks.registry import build_task
from loopd.tasks.task import Task

if TYPE_CHECKING:
    from loopd.learning.near_duplicates import Nearness


@dataclass(frozen=True, slots=True)
class Clock:
    """Where steps take the time from.

    Attributes:
        wall: seconds since 1970, for the journal.
        monotonic: seconds from an arbitrary start, for durations.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


def _no_learner(data: DataSets) -> Learner:
    raise ModelError(f"nothing can learn from {len(data.pool)} texts")


OVER_POOL = ("_stop_sets", "_first_stop_sets", "_hashed_aside", "_shuffled_aside", "nearness")
"""What tools keep that depends on the pool."""


@dataclass
class Tools:
    """Everything a step may use; only :meth:`grow` changes it, between two steps."""

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
    tick: Callable[[str, int, int], None] = field(default=silent)
    """The same with (what, done, total), for whoever wants to know how far a step is."""
    closing: Closing = field(default_factory=Closing)
    settings: SettingsWatch = field(default_factory=SettingsWatch)
    accounts: AccountWatch = field(default_factory=AccountWatch)
    visibility: VisibilityCheck = field(default_factory=VisibilityCheck)
    watch: PoolWatch | None = None
    """Looks for new texts; ``None`` where no others can join."""
    removals: RemovalWatch | None = None
    """Looks for texts that are to be withdrawn; ``None`` where nobody can ask for that."""
    relearn: Callable[[DataSets], Learner] = field(default=_no_learner)
    """Makes the learner over data that have grown."""
    _by_classifier: dict[str, Tools] = field(default_factory=dict, init=False, repr=False)

    def having(self, classifier: str) -> Tools:
        """The tools with the learner of one of the classifiers between which ``auto`` decides.

        The same tools where it is theirs, or where the configuration names a classifier.
        """
        learner = self.learner.contenders.get(classifier, self.learner)
        if learner is self.learner:
            return self
        if classifier not in self._by_classifier:
            self._by_classifier[classifier] = replace(self, learner=learner)
        return self._by_classifier[classifier]

    @cached_property
    def nearness(self) -> Nearness:
        """How near the texts are to those that were asked."""
        from loopd.learning.near_duplicates import Nearness

        learner, tick = self.learner, partial(self.tick, "comparing texts")
        return Nearness(self.data.pool.ids, learner.vectors, tick, learner.similarities)

    def grow(self) -> None:
        """Work with the texts that have just joined: what depends on them is made anew."""
        if self.watch is not None and self.watch.pool is not self.data.pool:
            self.work_with(self.watch.pool)

    def withdraw(self, state: State) -> None:
        """Work without the texts that have just been withdrawn, and erase them."""
        self.work_with(self.data.pool.without_texts(state.withdrawn))
        if self.removals is not None:
            self.removals.erase(state)
            self.work_with(moved_to_disk(self.config, self.data.pool))

    def work_with(self, pool: Pool) -> None:
        """Work with these texts from now on: others joined them, or left, or they are on disk."""
        self.data = replace(self.data, pool=pool)
        self.learner = self.relearn(self.data)
        self.store.grow(self.data.pool)
        self._by_classifier.clear()
        for name in OVER_POOL:
            self.__dict__.pop(name, None)

    def stop_sets(self, state: State) -> StopSets:
        """Random pool ids on which the stopping criteria look, after each intake of the pool."""
        sets = self._stop_sets if draw_order(state) == HASHED else self._first_stop_sets
        return without(sets, state.withdrawn)

    @cached_property
    def _stop_sets(self) -> StopSets:
        size, seed = self.config.stopping.stop_set_size, self.config.run.seed
        return smallest_numbers(self.data.pool, size, seed)

    @cached_property
    def _first_stop_sets(self) -> StopSets:
        size, seed = self.config.stopping.stop_set_size, self.config.run.seed
        return of_the_beginning(self.data.pool, size, seed)

    def aside(self, state: State) -> tuple[PoolId, ...]:
        """Pool ids that only the audit may draw, in its order."""
        return self.aside_in(draw_order(state))

    def aside_in(self, order: str) -> tuple[PoolId, ...]:
        """The same of a run that draws in this order."""
        return self._hashed_aside if order == HASHED else self._shuffled_aside

    @cached_property
    def _hashed_aside(self) -> tuple[PoolId, ...]:
        return self._aside(HASHED)

    @cached_property
    def _shuffled_aside(self) -> tuple[PoolId, ...]:
        return self._aside(SHUFFLED)

    def _aside(self, order: str) -> tuple[PoolId, ...]:
        config, reserve = self.config, frozenset(self.reserve)
        aside = set_aside(self.data.pool, config.audit.share, config.run.seed, order)
        return tuple(id_ for id_ in aside if id_ not in reserve)

    @cached_property
    def reserve(self) -> tuple[PoolId, ...]:
        """Pool ids that only the test set which people label may take, in its order."""
        return reserved(self.data.pool, self.config.test_ask, self.config.run.seed)

    def hidden(self, state: State) -> tuple[PoolId, ...]:
        """Both: what no strategy may choose."""
        return (*self.reserve, *self.aside(state))


def build_store(config: Config, min_submitted: int | None = None) -> ArgillaStore:
    """A client for the Argilla that the configuration names; does not connect yet.

    Args:
        config: the configuration.
        min_submitted: what the run has adopted from Argilla in the place of the configured number.
    """
    plan = DatasetPlan(
        build_task(config.task),
        guidelines_of(config.task),
        config.queue.min_submitted if min_submitted is None else min_submitted,
        SavedIdentity(config.run.dir),
        in_place=config.pool.argilla is not None,
        shown=layout_of(config.pool, config.task.field),
    )
    return ArgillaStore(config.argilla, api_key(config.argilla), plan)


def judges(config: Config, data: DataSets, order: str) -> tuple[PoolId, ...]:
    """Pool ids of texts by which models are judged, or will be: drawn ones, and of a test set."""
    reserve = reserved(data.pool, config.test_ask, config.run.seed)
    aside = set_aside(data.pool, config.audit.share, config.run.seed, order)
    return (*reserve, *aside, *data.leaks)


def build_learner(
    config: Config,
    pool: Pool,
    progress: Callable[[str, int, int], None] | None = None,
    interrupt: Callable[[], None] = never_interrupted,
    apart: Callable[[], Collection[PoolId]] = tuple,
) -> Learner:
    """The learner over a pool; loads nothing yet.

    ``interrupt`` is called at least every second of a long step; ``apart`` gives ids from which no
    model may learn in any way.
    """
    task = config.task
    empty = task.type != "multi_label" or task.none_label is not None

    def build(section: ClassifierSection) -> Learner:
        return Learner(
            pool,
            problem_of(task.type, task.labels, allow_empty=empty),
            classifier=section,
            strategy=config.strategy,
            seed=config.run.seed,
            cache=config.run.dir / CACHE_FOLDER,
            code_paths=(config.folder,),
            descriptions=task.descriptions,
            apart=apart,
            interrupt=interrupt,
            progress=progress or silent,
            engine=engine_of(config.compute, section.threads, section.device),
        )

    return contending(build, config.classifier)


def build_tools(  # noqa: PLR0913 (all parts; what a live run does not need is by keyword)
    config: Config,
    data: DataSets,
    stop: Stop,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    store: AnnotationStore | None = None,
    clock: Clock | None = None,
    watch: PoolWatch | None = None,
    removals: RemovalWatch | None = None,
    beat: Callable[[], None] = lambda: None,
    order: str = HASHED,
) -> Tools:
    """All parts of the loop; live unless store and clock are given; ``order`` is that of draws."""
    store = store or build_store(config)
    clock = clock or Clock()
    interrupt = interrupt_of(stop, beat)
    keep = config.people.keep_answers_of_deleted_accounts

    def learner(now: DataSets) -> Learner:
        apart = partial(judges, config, now, order)
        return build_learner(config, now.pool, progress, interrupt, apart)

    return Tools(
        config=config,
        task=build_task(config.task),
        data=data,
        store=store,
        learner=learner(data),
        relearn=learner,
        watcher=AnswerWatcher(store, config.queue.sweep_interval, clock.monotonic),
        clock=clock,
        pause=stop.wait,
        interrupt=interrupt,
        tick=ticking(interrupt, progress or silent),
        settings=SettingsWatch(
            store, config.queue.min_submitted, config.queue.sweep_interval, clock.monotonic
        ),
        accounts=AccountWatch(store, SavedNames(config.run.dir), keep=keep),
        watch=watch,
        removals=removals,
        visibility=VisibilityCheck(store, config.queue.sweep_interval, clock.monotonic),
    )
