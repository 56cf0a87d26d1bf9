"""Parts for loops in memory: a small pool, the tf-idf classifier, people who answer at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.watcher import AnswerWatcher
from loopd.config import Config, parse_config
from loopd.data.pool import Pool
from loopd.loop.run import Loop
from loopd.loop.stop import Stop
from loopd.loop.tools import Clock, DataSets, Tools, build_learner, build_task
from loopd.machine import Event, Phase, State
from loopd.records import Record

LABELS = ("fruit", "tool")
WORDS = {
    "fruit": ("apple", "pear", "plum", "cherry", "grape"),
    "tool": ("hammer", "saw", "drill", "chisel", "pliers"),
}


def gold_of(number: int) -> str:
    return LABELS[number % 2]


def make_pool(size: int, prefix: str = "r") -> Pool:
    def text(number: int) -> str:
        words = WORDS[gold_of(number)]
        return f"the {words[number % 5]} and the {words[number * 3 % 5]} number {prefix} {number}"

    return Pool(
        tuple(Record(f"{prefix}{n:03d}", text(n), gold_of(n)) for n in range(size))
    )


@dataclass
class Bench:
    """A loop in memory with its parts in reach."""

    tools: Tools
    store: MemoryStore
    stop: Stop
    now: list[float]
    events: list[Event] = field(default_factory=list)
    state: State = field(default_factory=State)
    before_wait: Callable[[], None] | None = None

    def write(self, event: Event, state: State) -> None:
        self.events.append(event)
        self.state = state

    @property
    def loop(self) -> Loop:
        return Loop(self.tools, self.stop, self.write)

    def run_until(self, done: Callable[[State], bool], act: Callable[[], None]) -> State:
        """Step the loop; whenever it waits for people, let them act."""
        from loopd.loop.steps import STEPS

        for _ in range(1000):
            if self.state.phase is Phase.DONE or done(self.state):
                return self.state
            event = STEPS[self.state.phase](self.state, self.tools)
            if event is None:
                self.now[0] += 1.0
                act()
            else:
                self.state = self.loop.record(self.state, event)
        raise RuntimeError("the loop does not get on")


def gold(pool: Pool, record_id: str) -> str:
    return pool[record_id].gold or ""


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    number = 0

    def make(size: int = 60, **sections: object) -> Bench:
        nonlocal number
        number += 1
        defaults: dict[str, object] = {
            "run": {"dir": f"run{number}", "seed": 1},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "unused.csv"},
            "test": {"path": "unused.csv", "label": "label"},
            "classifier": {"name": "tfidf"},
            "queue": {"batch_size": 6},
            "stopping": {"max_rounds": 3},
        }
        config: Config = parse_config({**defaults, **sections}, tmp_path)
        data = DataSets(make_pool(size), make_pool(20, "t"), {})
        return _assemble(config, data)

    return make


def _assemble(config: Config, data: DataSets) -> Bench:
    from loopd.loop.start import begin

    stop, now = Stop(), [1000.0]
    task = build_task(config)
    store = MemoryStore(task)
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    tools = Tools(
        config=config,
        task=task,
        data=data,
        store=store,
        learner=build_learner(config, data.pool, stop),
        watcher=AnswerWatcher(store, config.queue.sweep_interval, clock.monotonic),
        clock=clock,
    )
    bench = Bench(tools, store, stop, now)
    store.open(fresh=True)
    first = begin(bench.state, tools)
    if first is not None:
        bench.state = bench.loop.record(bench.state, first)
    return bench
