"""People at work in simulated time, with loopd's own decisions when a batch comes and how large.

A batch takes 36 seconds. People answer at a pace of their own, take any record that is open, and
are idle where none is. What is counted is how long they are idle, to the moment.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from loopd.annotation.consensus import unresolved
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    ModelTrained,
    RoundEvaluated,
    RunStarted,
)
from loopd.loop.batch_closing import reason_to_close
from loopd.loop.queue import BATCHES_OUT, lasting
from loopd.loop.queue_words import queue_limit, queue_sentence
from loopd.loop.waiting_figures import figures
from loopd.machine import State, apply
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId

TURNAROUND = 36.0
STEPS = 5
SECONDS_AN_ANSWER = 4.0
POLL = 3.0
ROUNDS = 7
POOL = 30_000
BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either


def config(**queue: object) -> Config:
    sections = {
        "task": {"labels": ["a", "b"]},
        "pool": {"path": "unused.csv"},
        "queue": {"poll_interval": POLL, **queue},
        "argilla": {"dataset": "d"},
        "run": {"dir": "run"},
    }
    return parse_config(sections, Path("/nowhere"))


@dataclass
class Office:
    """People, their server, and a daemon.

    Args:
        people: how many.
        config: of the run.
        seed: of their paces.
    """

    people: int
    config: Config
    seed: int = 0
    now: float = 0.0
    state: State = field(default_factory=State)
    open: dict[str, set[int]] = field(default_factory=dict)
    fresh: list[Answer] = field(default_factory=list)
    idle: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{self.seed} {self.people}")
        self._paces = [self._rng.uniform(0.7, 1.3) * SECONDS_AN_ANSWER for _ in range(self.people)]
        self._busy: list[tuple[float, int, str]] = []
        self._idle_since = dict.fromkeys(range(self.people), 0.0)
        self._texts = (f"r{number}" for number in range(POOL))
        self.needed = self.config.queue.min_submitted
        moment = self._wall()
        self.state = apply(
            self.state, RunStarted(moment, "c", 1, ("a", "b"), "p", "", "dataset", {"loopd": "0"})
        )

    def run(self, rounds: int) -> None:
        """So many batches; ends too where it does not get on for an hour."""
        self._publish(self.config.queue.first_size)
        while self.state.round < rounds and self.now < 3600:
            self._work_until(self.now + POLL)
            self._look()
            reason = reason_to_close(
                self.state, self.config, self._waiting(), pool_size=POOL, now=self._wall()
            )
            if reason is not None:
                self._next_batch(reason)

    # -- the daemon ----------------------------------------------------------------------------

    def _look(self) -> None:
        if self.fresh:
            event = AnswersCollected(self._wall(), tuple(self.fresh), (), ())
            self.state, self.fresh = apply(self.state, event), []

    def _next_batch(self, reason: str) -> None:
        number, step = self.state.round, TURNAROUND / STEPS
        id_, waiting = self.state.batch.id, len(self._waiting())
        queue = figures(self.state, self.needed)
        self._apply(BatchCollected(self._wall(), id_, reason, waiting, queue))
        self._apply(ModelTrained(self._wall(), number, "m", 1, 0, {}, step))
        self._apply(RoundEvaluated(self._wall(), number, {}, {}, "", "c", step, step))
        size = self.config.queue.batch_size
        if self.config.queue.watermark is None:
            size = lasting(self.state, self.needed, size)
        self._work_until(self.now + TURNAROUND)
        self._publish(size)

    def _publish(self, size: int) -> None:
        number, step = self.state.round + 1, TURNAROUND / STEPS
        ids = [PoolId(next(self._texts)) for _ in range(size)]
        batch = Batch(f"b{number:04d}", number, "x", None, tuple(map(BatchItem, ids)))
        self._apply(BatchPlanned(self._wall(), batch, step))
        self._apply(BatchPublished(self._wall(), batch.id, step))
        self.sizes.append(size)
        self.open |= {id_: set() for id_ in ids}
        for person in sorted(self._idle_since):
            self._begin(person)

    def _apply(self, event: object) -> None:
        self.state = apply(self.state, event)  # type: ignore[arg-type]

    def _waiting(self) -> frozenset[ExternalId]:
        return unresolved(self.state, self.needed)

    def _wall(self) -> float:
        return (BEGIN - datetime(1970, 1, 1)).total_seconds() + self.now  # noqa: DTZ001

    # -- people --------------------------------------------------------------------------------

    def _work_until(self, moment: float) -> None:
        while self._busy and self._busy[0][0] <= moment:
            self.now, person, record_id = heapq.heappop(self._busy)
            self._answer(person, record_id)
            self._begin(person)
        self.now = moment

    def _answer(self, person: int, record_id: str) -> None:
        time = (BEGIN + timedelta(seconds=self.now)).isoformat(timespec="microseconds")
        name = f"person {person}"
        self.fresh.append(
            Answer(
                ExternalId(record_id),
                name,
                AnswerStatus.SUBMITTED,
                "a",
                time,
                changed=time,
                given=time,
            )
        )
        people = self.open.get(record_id)
        if people is not None:
            people.add(person)
            if len(people) >= self.needed:
                del self.open[record_id]

    def _begin(self, person: int) -> None:
        """Take a record at random, as far as those in front of the queue go."""
        free = [*islice((id_ for id_, done in self.open.items() if person not in done), 50)]
        if not free:
            self._idle_since.setdefault(person, self.now)
            return
        since = self._idle_since.pop(person, self.now)
        self.idle[self.state.round] += self.now - since
        seconds = self._paces[person] * self._rng.uniform(0.5, 1.5)
        record_id = self._rng.choice(free)
        heapq.heappush(self._busy, (self.now + seconds, person, record_id))


SLOW = pytest.mark.slow
FROM_THIRD = 2
"""Number of the third batch: so long as it is made, the second one is out."""


@pytest.mark.parametrize("needed", [1, 3])
@pytest.mark.parametrize(
    "people", [1, 3, pytest.param(10, marks=SLOW), 20, pytest.param(50, marks=SLOW), 100]
)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=SLOW)])
def test_nobody_waits_from_the_third_batch_on(people: int, needed: int, seed: int) -> None:
    office = Office(people, config(min_submitted=needed), seed)
    office.run(ROUNDS)
    if people < needed:
        assert office.state.round == 0  # nobody completes a record
        return
    assert office.state.round == ROUNDS
    waits = {number: office.idle[number] for number in range(FROM_THIRD, ROUNDS + 1)}
    assert waits == dict.fromkeys(waits, 0.0), (waits, office.sizes)


def test_a_number_that_somebody_has_set_lets_people_wait_and_they_are_told() -> None:
    options = config(low_watermark=5)
    office = Office(20, options)
    office.run(4)
    assert sum(office.idle[number] for number in (2, 3, 4)) > 0
    limit = queue_limit(office.state, options)
    assert limit is not None
    sentence, hint = limit
    assert "`queue.low_watermark: 5` with `queue.batch_size: 20`" in sentence
    assert "20 people" in sentence
    assert "auto" in hint
    assert queue_sentence(office.state, options) == ""


def test_the_size_of_the_queue_is_said_in_one_sentence() -> None:
    options = config()
    office = Office(20, options)
    assert queue_sentence(office.state, options) == ""
    office.run(4)
    sentence = queue_sentence(office.state, options)
    assert sentence.startswith("20 people complete ")
    assert "a batch takes 36 s" in sentence
    assert sentence.count(".") <= 2
    assert queue_limit(office.state, options) is None


def test_one_fast_person_does_not_fill_the_queue_for_slow_ones() -> None:
    options = config(min_submitted=3)
    office = Office(3, options)
    office._paces = [1.0, 60.0, 60.0]
    office.run(30)
    assert len(office.open) < (BATCHES_OUT + 2) * max(office.sizes)
