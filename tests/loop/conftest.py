"""Parts for loops: a small pool, the tf-idf classifier, people; in memory and on a real Argilla."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.run_mark import UnsavedIdentity
from loopd.annotation.store import AnnotationStore
from loopd.annotation.watcher import AnswerWatcher
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.events import Event
from loopd.loop.account_watch import AccountWatch
from loopd.loop.data_sets import DataSets
from loopd.loop.run import Loop
from loopd.loop.settings_watch import SettingsWatch
from loopd.loop.start_or_resume import begin
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop, interrupt_of
from loopd.loop.tools import Clock, Tools, build_learner
from loopd.loop.visibility import VisibilityCheck
from loopd.machine import Phase, State
from loopd.records import JsonValue, PoolId, Record
from loopd.tasks.registry import build_task
from loopd.tasks.single_label import SingleLabelTask
from tests.faults.guests import Ours
from tests.faults.neighbours import Neighbours
from tests.live import LiveArgilla
from tests.servers import EMBEDDED

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

    return Pool(tuple(Record(PoolId(f"{prefix}{n:03d}"), text(n), gold_of(n)) for n in range(size)))


GivenAnswers = Mapping[str, tuple[tuple[str, Any], ...]]
"""(annotator, value) by record id."""


def with_answers(pool: Pool, answers: GivenAnswers) -> Pool:
    """The pool as it is where some texts come with answers."""
    return Pool(tuple(replace(each, answers=answers.get(each.id, ())) for each in pool))


@dataclass
class Bench:
    """A loop with its parts in reach; ``people`` is the memory store or ``ArgillaPeople``."""

    tools: Tools
    people: Any
    stop: Stop
    now: list[float]
    events: list[Event] = field(default_factory=list)
    state: State = field(default_factory=State)
    dataset_id: str = ""

    def write(self, event: Event, state: State) -> None:
        self.events.append(event)
        self.state = state

    @property
    def loop(self) -> Loop:
        return Loop(self.tools, self.stop, self.write)

    def run_until(
        self, done: Callable[[State], bool], act: Callable[[], None], steps: int = 1000
    ) -> State:
        """Step the loop; whenever it waits for people, let them act.

        Raises:
            RuntimeError: it is not done after so many steps, each a second of the bench's clock.
        """
        for _ in range(steps):
            if self.state.phase is Phase.DONE or done(self.state):
                return self.state
            event = STEPS[self.state.phase](self.state, self.tools)
            if event is None:
                self.now[0] += 1.0
                act()
            else:
                self.state = self.loop.record(self.state, event)
        raise RuntimeError("the loop does not get on")


def number(row: Mapping[str, JsonValue], key: str) -> float:
    """A figure of a round."""
    value = row[key]
    assert isinstance(value, int | float)
    return value


def gold(pool: Pool, record_id: str) -> str:
    return str(pool[PoolId(record_id)].gold or "")


MakeBench = Callable[..., Bench]

WHATEVER_THE_STORE = "whatever_the_store"
"""Marks tests in which the store has no part: on the real Argilla they are in `make check-full`."""


LEFT_TO_OTHERS = "left_to_others"
"""Marks tests that each other server gets, and the embedded one in `make check-full`."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [WHATEVER_THE_STORE]
    if config.getoption("--argilla") == EMBEDDED:
        left_out += [LEFT_TO_OTHERS]
    for item in items:
        place = getattr(item, "callspec", None) and item.callspec.params.get("place")  # type: ignore[attr-defined]
        if place == "argilla" and any(map(item.get_closest_marker, left_out)):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=["memory", pytest.param("argilla", marks=pytest.mark.integration)], ids=str)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_bench(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeBench]:
    made: list[Bench] = []
    neighbours: list[tuple[Neighbours, Bench]] = []

    def make(
        size: int = 60,
        *,
        offered: tuple[str, ...] = LABELS,
        answers: GivenAnswers | None = None,
        guests: bool = True,
        completes: bool = False,
        **sections: object,
    ) -> Bench:
        name = f"bench-{uuid.uuid4().hex[:10]}"
        argilla = sections.pop("argilla", {})
        defaults: dict[str, object] = {
            "run": {"dir": name, "seed": 1},
            "argilla": {"dataset": name, **argilla},  # type: ignore[dict-item]
            "task": {"labels": list(LABELS)},
            "pool": {"path": "unused.csv"},
            "test": {"path": "unused.csv", "label": "label"},
            "classifier": {"name": "tfidf"},
            "queue": {"batch_size": 6},
            "stopping": {"max_rounds": 3},
        }
        settings = {**defaults, **sections}
        settings["queue"] = {"low_watermark": 0, **settings["queue"]}  # type: ignore[dict-item]
        in_memory = partial(_in_memory, completes=completes)
        parts = in_memory if place == "memory" else _on_argilla(request, offered)
        bench = _assemble(settings, with_answers(make_pool(size), answers or {}), tmp_path, parts)
        made.append(bench)
        if guests and place == "argilla":  # others come to what loopd has made
            others = Neighbours(request.getfixturevalue("argilla"), name)
            others.settle(later=True)
            neighbours.append((others, bench))
        return bench

    yield make
    lines: list[str] = []
    for others, bench in neighbours:
        texts = frozenset(record.text for record in bench.tools.data.pool)
        others.deeds.settings |= bench.people.edits
        lines += others.differences(Ours(texts))
        others.close()
    for bench in made:
        bench.tools.store.close()
        bench.people.close()
    assert not lines, "\n".join(lines)


Parts = Callable[[Config], tuple[AnnotationStore, Any]]


def _in_memory(config: Config, *, completes: bool) -> tuple[AnnotationStore, Any]:
    """Where ``completes``, nobody is shown what has answers enough."""
    store = MemoryStore(build_task(config.task), config.queue.min_submitted if completes else None)
    return store, store


def _on_argilla(request: pytest.FixtureRequest, offered: tuple[str, ...]) -> Parts:
    server: LiveArgilla = request.getfixturevalue("argilla")

    def parts(config: Config) -> tuple[AnnotationStore, Any]:
        there = {"url": server.url, "workspace": server.workspace}
        section = config.argilla.model_copy(update=there)
        run = UnsavedIdentity()
        plan = DatasetPlan(build_task(config.task), "", config.queue.min_submitted, run)
        if offered != LABELS:  # somebody made the dataset before, with more labels
            task = SingleLabelTask(offered, "label", "text", "Which label fits?")
            early = ArgillaStore(section, server.owner_key, DatasetPlan(task, "", 1, run))
            early.open(make_pool(0), fresh=True)
            early.close()
        return ArgillaStore(section, server.owner_key, plan), server.people(section.dataset)

    return parts


def _assemble(settings: dict[str, object], pool: Pool, folder: Path, parts: Parts) -> Bench:
    config = parse_config(settings, folder)
    stop, now = Stop(), [1000.0]
    store, people = parts(config)
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    data = DataSets(pool, make_pool(20, "t"), {})
    tools = Tools(
        config=config,
        task=build_task(config.task),
        data=data,
        store=store,
        learner=build_learner(config, data.pool, interrupt=interrupt_of(stop)),
        watcher=AnswerWatcher(store, config.queue.sweep_interval, clock.monotonic),
        clock=clock,
        settings=SettingsWatch(
            store, config.queue.min_submitted, config.queue.sweep_interval, clock.monotonic
        ),
        accounts=AccountWatch(store, keep=config.people.keep_answers_of_deleted_accounts),
        visibility=VisibilityCheck(store, config.queue.sweep_interval, clock.monotonic),
    )
    bench = Bench(tools, people, stop, now)
    bench.dataset_id = store.open(data.pool, fresh=True)
    first = begin(bench.state, tools, bench.dataset_id)
    if first is not None:
        bench.state = bench.loop.record(bench.state, first)
    return bench
