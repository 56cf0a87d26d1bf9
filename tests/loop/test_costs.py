"""What grows with a run and what does not, counted in work and never in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import ballots, index_of, to_set_aside, unresolved
from loopd.config import Config
from loopd.config_file import load_config
from loopd.dashboard.event_totals import totals
from loopd.data.pool import Pool
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunStarted,
)
from loopd.loop.batch_closing import reason_to_close
from loopd.loop.obstacles import obstacle
from loopd.loop.queue import paces, runs_low
from loopd.loop.waiting_figures import figures
from loopd.machine import State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.overview.overview import overview
from loopd.overview.people import open_batches
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId
from tests.work import work

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
NOW = (BEGIN - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
BATCH, LEFT, NEEDED = 12, 8, 2
"""Records of a batch, those of the last one that are open, and answers that each needs."""


@dataclass
class Run:
    """A run of so many rounds, the last of which is being answered by three people."""

    rounds: int
    config: Config

    def __post_init__(self) -> None:
        self.events = list(self._events())
        self.state = fold(self.events)

    def _events(self) -> Iterator[Event]:
        yield RunStarted(NOW, "c", 1, ("a", "b"), "p", "", "dataset", {})
        for number in range(self.rounds):
            at, name = NOW + 100 * number, f"b{number:04d}"
            items = tuple(BatchItem(PoolId(f"r{number * BATCH + n}")) for n in range(BATCH))
            yield BatchPlanned(at, Batch(name, number, "margin", "m", items), 1.0)
            yield BatchPublished(at + 1, name, 1.0)
            last = number == self.rounds - 1
            for item in items[: BATCH - LEFT] if last else items:
                yield self.answered(item.record_id, number)
            if not last:
                yield BatchCollected(at + 90, name, "complete", 0, {"last_answer": at + 80})
                yield ModelTrained(at + 91, number, f"m{number}", 2, 0, {"a": 1, "b": 1}, 1.0)
                yield RoundEvaluated(at + 92, number, {}, {}, "", "c", 1.0, 1.0)

    def answered(self, id_: str, number: int) -> AnswersCollected:
        """Two people answer a record of a round."""
        text = int(id_.removeprefix("r"))
        time = BEGIN + timedelta(seconds=100 * number + 2 + 6 * (text % BATCH))
        return AnswersCollected(
            NOW,
            tuple(
                Answer(
                    ExternalId(id_), f"p{(text + n) % 3}", AnswerStatus.SUBMITTED, "ab"[text % 2],
                    (time + timedelta(seconds=n)).isoformat(),
                )
                for n in range(NEEDED)
            ),
        )  # fmt: skip

    def news(self) -> AnswersCollected:
        """The next answers."""
        batch = self.state.batch
        return self.answered(batch.items[-1].record_id, batch.round)


@pytest.fixture
def grown(tmp_path: Path) -> Callable[[int], Run]:
    settings = """
run: {dir: run}
argilla: {dataset: costs}
task: {labels: [a, b]}
pool: {path: pool.csv}
queue: {batch_size: 12, min_submitted: 2}
"""
    (tmp_path / "config.yaml").write_text(settings, encoding="utf-8")
    config = load_config(tmp_path / "config.yaml")
    return lambda rounds: Run(rounds, config)


def look(state: State, config: Config) -> None:
    """What the loop does after each event while people answer."""
    obstacle(state, config)
    to_set_aside(state)
    waiting = unresolved(state, NEEDED)
    reason_to_close(state, config, waiting, pool_size=10**6, now=NOW)
    runs_low(state, waiting, NEEDED, 3.0)
    paces(state)
    open_batches(state, waiting)
    index = index_of(state)
    assert index.labelled
    metrics_log.last_row(state)


def poll(run: Run) -> int:
    """Work of one event in the middle of a run, and of the look after it."""
    look(run.state, run.config)
    event = run.news()

    def action() -> None:
        look(apply(run.state, event), run.config)

    return work(action)


def test_an_event_costs_no_more_in_an_old_run(grown: Callable[[int], Run]) -> None:
    """The rounds are counted through now and then; the records and answers never."""
    young, old = poll(grown(10)), poll(grown(100))
    assert old - young < 40 * 90, f"{young} instructions after 10 rounds, {old} after 100"


def test_the_steps_of_a_round_grow_by_no_more_than_the_run(grown: Callable[[int], Run]) -> None:
    def closing(run: Run) -> Any:
        return figures(run.state, NEEDED)

    def page(run: Run) -> Any:
        return overview(run.state, run.config, Pool(()), metrics_log.rows(run.state), NOW)

    actions: dict[str, Callable[[Run], Any]] = {
        "fold": lambda run: fold(run.events),
        "one by one": lambda run: [apply(State(), run.events[0]), stepwise(run.events)],
        "tally": lambda run: totals(run.events),
        "votes": lambda run: ballots(run.state),
        "closing": closing,
        "page": page,
    }
    young, middle, old = grown(10), grown(40), grown(160)
    for name, action in actions.items():
        small, medium, large = (work(partial(action, run)) for run in (young, middle, old))
        assert (large - medium) / 120 <= 1.1 * (medium - small) / 30 + 1, name


def stepwise(events: list[Event]) -> State:
    """Each event by itself, with a look at what waits: a daemon that never started again."""
    state = State()
    for event in events:
        state = apply(state, event)
        unresolved(state, NEEDED)
    return state


def test_the_measure_sees_a_walk() -> None:
    def walk(count: int) -> int:
        answers = {
            (ExternalId(f"r{n}"), "ann"): Answer(
                ExternalId(f"r{n}"), "ann", AnswerStatus.SUBMITTED, "a", "t"
            )
            for n in range(count)
        }
        return work(lambda: unresolved(State(answers=answers), 1))

    assert walk(1000) > 5 * walk(100)
