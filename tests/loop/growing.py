"""A run over real files and a store in memory, which can be killed anywhere and started again."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.events import BatchPlanned, Event, PoolGrew
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import read_data, with_news
from loopd.loop.pool_source import looks
from loopd.loop.pool_watch import PoolWatch
from loopd.loop.removal_watch import RemovalWatch, overdue
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import first_event, is_fresh, refuse_changes
from loopd.loop.stop import Stop
from loopd.loop.taken_in import keep_first
from loopd.loop.tools import Clock, Tools, build_tools
from loopd.machine import Phase, State, apply, fold
from loopd.records import text_of
from loopd.tasks.registry import build_task
from tests.loop.conftest import LABELS, gold_of, make_pool

Row = tuple[str, str, str]
"""Id, text and label."""


def rows(first: int, count: int, prefix: str = "r") -> list[Row]:
    """Rows of the files, by number."""
    records = make_pool(first + count, prefix).records[first:]
    return [(record.id, record.text, str(record.gold)) for record in records]


def write_rows(path: Path, some: Sequence[Row]) -> None:
    """A CSV file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text", "label"), *some])


class Killed(BaseException):
    """The process is gone."""


def gone() -> None:
    """The process is."""
    raise Killed


@contextmanager
def killed_at(
    point: int, *calls: tuple[Any, str], kill: Callable[[], None] = gone
) -> Iterator[list[str]]:
    """Whatever touches a file counts, and these calls do; at this point the process is gone.

    Args:
        point: number of a call's beginning or end, from 1.
        calls: owners and names of functions.
        kill: ends it.
    """
    passed: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            for when in ("before", "after"):
                passed.append(f"{when} {name}")
                if len(passed) == point:
                    kill()
                if when == "before":
                    result = real(*args, **named)
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Path, "replace"), (os, "fsync"), *calls):
            wrapped = counted(name, getattr(owner, name))
            is_static = isinstance(vars(owner).get(name), staticmethod)
            patch.setattr(owner, name, staticmethod(wrapped) if is_static else wrapped)
        yield passed


@dataclass
class GrowingRun:
    """A run whose process may end at any moment; folder, journal and Argilla stay."""

    folder: Path
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    now: list[float] = field(default_factory=lambda: [1000.0])
    people_rest: bool = False
    store: MemoryStore = field(init=False)
    state: State = field(init=False)
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(build_task(self.config.task))

    @property
    def config(self) -> Config:
        defaults: dict[str, dict[str, Any]] = {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"dataset": "growing"},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "tickets/*.csv", "id": "id", "follow": "60s"},
            "classifier": {"name": "tfidf"},
            "queue": {"batch_size": 6, "low_watermark": 0},
            "audit": {"folds": 0},
            "stopping": {"max_rounds": 6},
        }
        merged = {name: {**defaults.get(name, {}), **some} for name, some in self.sections.items()}
        return parse_config({**defaults, **merged}, self.folder)

    @property
    def tools(self) -> Tools:
        return self.loop.tools

    def start(self) -> None:
        """Begin a process, as the daemon does."""
        self.state = fold(self.events)
        config = in_force(self.config, self.state)
        seen = looks(config)
        data = with_news(config, read_data(config, self.state))
        if (event := overdue(config.run.dir, self.state, data.pool, self.now[0])) is not None:
            self.journal_append(event)
            self.state = apply(self.state, event)
        refuse_changes(self.state, config, data)
        clock = Clock(wall=lambda: self.now[0], monotonic=lambda: self.now[0])
        watch = PoolWatch(config, clock.monotonic, clock.wall)
        removals = self.removals(config, clock)
        tools = build_tools(
            config, data, Stop(), store=self.store, clock=clock, watch=watch, removals=removals
        )
        self.store.open(data.pool, fresh=is_fresh(self.state))
        if not data.is_kept:
            keep_first(config, data.pool, seen, data.reports["pool"])
        self.loop = Loop(tools, Stop(), lambda event, _: self.journal_append(event))
        first = first_event(self.state, tools, "memory")
        if first is not None:
            self.record(first)

    def removals(self, config: Config, clock: Clock) -> RemovalWatch | None:
        """What looks for texts that are to leave."""
        return RemovalWatch(config, clock.wall)

    def started_again(self) -> GrowingRun:
        """Another process on what is left of this one."""
        again = type(self)(
            self.folder,
            self.sections,
            list(self.events),
            list(self.now),
            people_rest=self.people_rest,
        )
        again.store = deepcopy(self.store)
        again.start()
        return again

    def journal_append(self, event: Event) -> None:
        """Make an event durable."""
        self.events.append(event)

    def record(self, event: Event) -> None:
        self.state = self.loop.record(self.state, event)

    def turn(self) -> Event | None:
        """One turn of the loop; a second passes, and people answer what is open, where it waits."""
        event = self.loop._step(self.state)
        if event is None:
            self.now[0] += 1.0
            self.answer()
        else:
            self.record(event)
        return event

    def answer(self) -> None:
        """People answer what is open, unless they rest."""
        if self.people_rest:
            return
        for id_ in sorted(self.state.external_ids - self.state.deleted):
            if not any(key[0] == id_ for key in self.state.answers):
                number = int(str(text_of(id_))[-3:])
                self.store.submit(id_, "ann", gold_of(number))

    def run_until(self, done: Callable[[State], bool], turns: int = 600) -> State:
        """Turn the loop until then."""
        for _ in range(turns):
            if done(self.state) or self.state.phase is Phase.DONE:
                return self.state
            self.turn()
        raise RuntimeError("the loop does not get on")

    @property
    def waits_for_files(self) -> bool:
        """Whether something that joined is not yet crossed off."""
        watch = self.tools.watch
        return watch is not None and watch._pending is not None

    @property
    def batches(self) -> list[tuple[str, ...]]:
        """The ids of each batch, in order."""
        return [event.batch.record_ids for event in self.events if isinstance(event, BatchPlanned)]

    @property
    def grown(self) -> list[PoolGrew]:
        """All intakes after the first."""
        return [event for event in self.events if isinstance(event, PoolGrew)]


def begun(folder: Path) -> GrowingRun:
    """A run over a folder of files, with the first of them, that has begun."""
    write_rows(folder / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(folder)
    run.start()
    return run
