"""One history in memory: the real loop, journal and learner over a store and a disk that fail.

A kill drops everything that is in memory; the next life begins from the journal file with the
daemon's own wiring. The same seed gives the same history, to the last byte of the journal.
"""

from __future__ import annotations

import copy
import importlib.metadata
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import structlog

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import LoopdError, StorageError, TransientError
from loopd.events import BatchCollected, Event
from loopd.learning.strategies import plugins
from loopd.loop import daemon
from loopd.loop import run as loop_run
from loopd.loop.data_sets import DataSets
from loopd.loop.narrate import ObstacleNotes
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin, is_fresh, same_run
from loopd.loop.tools import Clock as ClockPair
from loopd.loop.tools import Tools, build_tools
from loopd.machine import Phase, State, apply, fold
from loopd.storage.codec import decode
from loopd.storage.journal import Journal
from loopd.storage.run_folder import JOURNAL_NAME
from loopd.tasks.registry import build_task
from tests.faults.checker import GUESTS, PROGRESS, REPLAY, Violation, check
from tests.faults.crowd import Crowd
from tests.faults.evidence import Evidence, Lesson, read_journal, read_metrics
from tests.faults.faulty_store import FaultyStore
from tests.faults.guests_in_memory import Guests
from tests.faults.plan import Plan, draw
from tests.faults.weather import (
    DISK,
    KILL_AFTER,
    KILL_BEFORE,
    Clock,
    Killed,
    Weather,
    full_disk,
)
from tests.loop.conftest import LABELS, make_pool

PATIENCE = 700
"""Looks at the store until a history counts as one that does not get on."""

LIVES = 60
"""Processes in one history at most."""

SLACK = 5.0
"""Seconds beyond the interval of sweeps: the calls of one look take so long at most."""

STOP = "stop"


class Stuck(BaseException):
    """The loop does not get on."""


class Waits:
    """The loop's wish to end; while the loop waits, time passes and people work."""

    def __init__(self, clock: Clock, turn: Callable[[Waits], None]) -> None:
        self._clock = clock
        self._turn = turn
        self._wanted = False

    def set(self) -> None:
        self._wanted = True

    def is_set(self) -> bool:
        return self._wanted

    def wait(self, seconds: float) -> bool:
        self._clock.pass_(seconds)
        self._turn(self)
        return self._wanted


@dataclass(frozen=True, slots=True)
class WatchedLoop(Loop):
    """The loop, with somebody who looks at its state at every turn."""

    look: Callable[[State], None] = lambda _: None

    def _step(self, state: State) -> Event | None:
        self.look(state)
        return Loop._step(self, state)


class FaultyJournal:
    """The journal on a disk that fills, in a process that may be killed around each event."""

    def __init__(self, journal: Journal, weather: Weather, closed: dict[str, float]) -> None:
        self._journal = journal
        self._weather = weather
        self._closed = closed

    def append(self, event: Event) -> None:
        if isinstance(event, BatchCollected):
            self._closed[event.batch_id] = self._weather.clock.monotonic()
        way = self._weather.strikes("journal", KILL_BEFORE, KILL_AFTER, KILL_AFTER, DISK)
        if way == KILL_BEFORE:
            raise Killed("journal")
        if way == DISK:
            self._weather.fill_disk(self._journal._db)
        self._journal.append(event)
        if way == KILL_AFTER:
            raise Killed("journal")


class History:
    """A run from its first process to the moment when all is quiet.

    Args:
        plan: what it is like.
        folder: gets the run directory.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._folder = folder
        self._settings = copy.deepcopy(plan.settings)
        self._rounds = plan.rounds
        self._rng = random.Random(f"history {plan.seed}")
        self._clock = Clock()
        weather = random.Random(f"weather {plan.seed}")
        self.weather = Weather(weather, plan.faults, plan.rate, self._clock, jumps=plan.jumps)
        self._store = MemoryStore(build_task(self._config.task))
        crowd = random.Random(f"crowd {plan.seed}")
        needed = int(plan.settings["queue"]["min_submitted"])
        self._guests = Guests(self._store, plan.seed)
        self._crowd = Crowd(self._store, plan.people, needed, crowd, self._clock.monotonic)
        self._closed: dict[str, float] = {}
        test = make_pool(20, "t") if self._rng.random() < 0.5 else None
        self._data = DataSets(plan.pool, test, {})
        self._remember_imports()
        self._lessons: dict[str, Lesson] = {}
        self._earlier: dict[int, dict[str, Any]] = {}
        self._broken: list[tuple[str, str]] = []
        self._turns = self._quiet = self.lives = 0
        self._live = self._replayed = self._last = State()
        self._length = 0
        self._over = self._resumed = self._settled = False

    def run(self) -> tuple[Violation, ...]:
        """All violations, of the whole and of what every process left behind."""
        found: list[Violation] = []
        with full_disk(self.weather), _quickly():
            while not self._over and self.lives < LIVES and not found:
                self.lives += 1
                self._process()
                self._broken += [(GUESTS, line) for line in self._differences()]
                found += check(self.evidence(quiet=False))
                for row in read_metrics(self._config.run.dir / "metrics.jsonl"):
                    self._earlier.setdefault(row["round"], row)
        if not self._over and not found:
            self._broken.append((PROGRESS, f"not over after {self.lives} processes"))
        return tuple(dict.fromkeys([*found, *check(self.evidence(quiet=self._over))]))

    def evidence(self, *, quiet: bool) -> Evidence:
        """What there is now."""
        folder = self._config.run.dir
        return Evidence(
            seed=self.plan.seed,
            journal=read_journal(folder / JOURNAL_NAME),
            store=self._crowd.records(),
            doings=self._crowd.doings,
            pool={record.id: record.text for record in self._data.pool},
            labels=LABELS,
            lessons=self._lessons,
            metrics=read_metrics(folder / "metrics.jsonl"),
            earlier=self._earlier,
            another_person=bool(self.plan.settings["relabel"]["another_person"]),
            broken=tuple(self._broken),
            quiet=quiet,
            closed=self._closed,
            sight=self._config.queue.sweep_interval + SLACK,
        )

    def _differences(self) -> list[str]:
        return self._guests.differences(self._crowd.published_anew())

    # -- one process ---------------------------------------------------------------------------

    def _process(self) -> None:
        self.weather.full = self._settled = False
        stop = Waits(self._clock, self._turn)
        try:
            with Journal(self._config.run.dir / JOURNAL_NAME) as journal:
                self._after(self._daemon(journal, stop))
        except Killed:
            pass
        except Stuck:
            self._over = True
        except LoopdError as error:
            if not self._foreseen(error):
                self._broken.append((PROGRESS, f"ended: {type(error).__name__}: {error.message}"))
                self._over = True
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is what is looked for
            self._broken.append((PROGRESS, f"crashed: {type(error).__name__}: {error}"))
            self._over = True

    def _daemon(self, journal: Journal, stop: Waits) -> State:
        """As ``daemon.run_daemon`` does it."""
        events = journal.read()
        state = self._live = self._replayed = fold(events)
        self._length = len(events)
        tools = self._tools(stop)
        notes = ObstacleNotes()
        write = partial(
            daemon._write,
            journal=FaultyJournal(journal, self.weather, self._closed),  # type: ignore[arg-type]
            tools=tools,
            notes=notes,
        )
        look = partial(self._look, journal)
        loop = WatchedLoop(tools, stop, write, look=look, jitter=self.plan.seed)  # type: ignore[arg-type]
        same_run(state, tools)
        opened = loop.patiently(lambda: tools.store.open(tools.data.pool, fresh=is_fresh(state)))
        if opened is None:
            return state
        begin(state, tools, opened)  # as the gates do it
        entered = SimpleNamespace(
            loop=loop, state=state, dataset_id=opened, notes=notes, say_over=lambda: None
        )
        return daemon._run(entered)  # type: ignore[arg-type]

    def _foreseen(self, error: LoopdError) -> bool:
        if isinstance(error, StorageError):
            return self.weather.full
        gives_up = self._config.argilla.give_up_after is not None
        return isinstance(error, TransientError) and gives_up and not self.weather.calm

    def _after(self, state: State) -> None:
        """The process ended in peace."""
        if state.phase is Phase.DONE and self.plan.resumes and not self._resumed:
            self._resumed = True
            self._rounds += 2
            self._crowd.resting = self.weather.calm = False
            self._quiet = 0
            self._settings["stopping"] = {"max_rounds": self._rounds + 1, "criteria": []}
        elif state.phase is Phase.DONE:
            self._crowd.doings.late = self._crowd.late()
            self._over = True
        else:
            self._over = self._settled

    def _tools(self, stop: Waits) -> Tools:
        store = FaultyStore(
            self._store,
            self.weather,
            meanwhile=self._meanwhile,
            crowd=self._crowd,
            rng=self._rng,
        )
        clock = ClockPair(self._clock.wall, self._clock.monotonic)
        tools = build_tools(self._config, self._data, stop, store=store, clock=clock)  # type: ignore[arg-type]
        self._watch_training(tools.learner._trainer)
        return tools

    def _watch_training(self, trainer: Any) -> None:
        model, trained = trainer.model, trainer._trained

        def watched(lesson: Any) -> Any:
            ids = [self._data.pool.records[place].id for place in lesson.positions]
            given = dict(zip(ids, (LABELS[each] for each in lesson.y), strict=True))
            self._lessons[lesson.id] = Lesson(lesson.id, lesson.round, given)
            return model(lesson)

        def slow(lesson: Any) -> Any:
            self._clock.pass_(self._rng.uniform(0.2, 8.0))
            way = self.weather.strikes("training", KILL_BEFORE, KILL_AFTER)
            if way == KILL_BEFORE:
                raise Killed("training")
            self._crowd.work(self._rng.randint(0, self.plan.pace))
            found = trained(lesson)
            if way == KILL_AFTER:
                raise Killed("training")
            return found

        trainer.model, trainer._trained = watched, slow

    # -- what happens meanwhile ----------------------------------------------------------------

    def _look(self, journal: Journal, state: State) -> None:
        """The journal alone must give the live state, at every turn."""
        query = "SELECT name, payload FROM events WHERE seq > ?"
        rows = journal._db.execute(query, [self._length])
        for name, payload in rows.fetchall():
            self._replayed = apply(self._replayed, decode(name, payload))
            self._length += 1
        if self._replayed != state:
            self._broken.append((REPLAY, f"the state in phase {state.phase.value} is another"))
            raise Stuck
        self._live = state

    def _meanwhile(self) -> None:
        if self._store._records is not None and self._rng.random() < 0.15:
            self._guests.act()
            self._crowd.work(1)

    def _turn(self, stop: Waits) -> None:
        """The loop waits."""
        self._turns += 1
        if self._turns > PATIENCE:
            detail = f"still in phase {self._live.phase.value} after {self._turns} looks"
            self._broken.append((PROGRESS, detail))
            raise Stuck
        if self._crowd.resting:
            self._rest(stop)
            return
        if self.weather.strikes("wait", STOP):
            stop.set()
        if self._store._records is not None:
            if self._rng.random() < 0.1:
                self._crowd.answer_everything()
            self._crowd.work(self._rng.randint(0, self.plan.pace))
        if self._enough(self._live):
            self._crowd.resting = self.weather.calm = True

    def _enough(self, state: State) -> bool:
        return len(state.evaluated) >= self._rounds

    def _rest(self, stop: Waits) -> None:
        """People and faults have stopped: over when the loop has seen everything."""
        queue = self._config.queue
        if self._live is not self._last or self._live.phase is Phase.PUBLISH:
            self._last, self._quiet = self._live, 0  # what is published is looked for, with waits
        self._quiet += 1
        if self._quiet * queue.poll_interval > queue.sweep_interval + 3 * queue.poll_interval:
            # A stop that struck just before is no reason: then the next process goes on.
            self._settled = self._settled or not stop.is_set()
            stop.set()

    def _remember_imports(self) -> None:
        for record in self._data.pool:
            for name, value in record.answers:
                self._crowd.doings.says(record.id, f"import:{name}", record.text, str(value))

    @property
    def _config(self) -> Config:
        common: dict[str, dict[str, Any]] = {
            "run": {"dir": "run"},
            "argilla": {"dataset": "soak"},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "unused.csv"},
        }
        merged = {
            name: {**common.get(name, {}), **self._settings.get(name, {})}
            for name in {**common, **self._settings}
        }
        return parse_config(merged, self._folder)


def run_seed(seed: int, folder: Path) -> tuple[Violation, ...]:
    """The violations of the history of a seed."""
    return History(draw(seed), folder).run()


class _InTurn:
    """A thread for histories: it runs where it begins, and a kill in it is one of the process."""

    def __init__(self, target: Callable[[], None], **_: Any) -> None:
        self.start = target

    def join(self, _: float) -> None:
        """It is over."""


@contextmanager
def _quickly() -> Iterator[None]:
    """Without pictures, log lines and a look at all installed packages for each batch."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with (
        patch.object(daemon, "plot", lambda state, folder: None),
        patch.object(plugins, "entry_points", cache(importlib.metadata.entry_points)),
        patch.object(loop_run, "threading", SimpleNamespace(Thread=_InTurn)),
    ):
        try:
            yield
        finally:
            structlog.reset_defaults()
