"""SIGKILL of the real daemon at every step boundary and at random moments, against a real Argilla.

The killed run must end with the batches, the labels and the metrics of the run without kills.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from loopd.annotation.consensus import targets
from loopd.metrics_log.writer import TIMED
from loopd.records import PoolId
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.daemon import COMMAND, Daemon
from tests.faults.nursery import Forked
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.people import ArgillaPeople

pytestmark = [
    pytest.mark.integration,
    pytest.mark.crash,
    pytest.mark.timeout(1800),  # dozens of processes start one after the other
]

ROUNDS = 4
SETTINGS = {
    "queue": {"batch_size": 8, "first_batch_size": 8, "low_watermark": 0},
    "strategy": {"name": "auto", "cold_start": "facility_location"},
    "stopping": {"max_rounds": ROUNDS},
    "argilla": {"max_backoff": 0.2},
}


@contextmanager
def slow_people(people: ArgillaPeople, seed: int) -> Iterator[None]:
    """Answers one open record after the other, out of order; the answer depends on it only."""
    stop = threading.Event()
    gold = {record.id: record.gold for record in make_pool(60)}
    rng = random.Random(seed)

    def answer_one() -> None:
        open_ids = sorted(people.open_records("ann"))
        if open_ids:
            record_id = rng.choice(open_ids)
            if int(record_id[1:]) % 9 == 5:
                people.discard(record_id, "ann")
            else:
                people.submit(record_id, "ann", gold[PoolId(record_id)])

    def work() -> None:
        while not stop.wait(0.05):
            try:
                answer_one()
            except (StopIteration, RuntimeError, KeyError, ValueError, httpx.HTTPError):
                continue  # the dataset is not there yet, or the server fails

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def outcome(daemon: Daemon) -> dict[str, Any]:
    """Everything of a run that must not depend on kills."""
    state = daemon.state
    rows = [
        {key: value for key, value in row.items() if not key.startswith(TIMED)}
        for row in daemon.rows
    ]
    return {
        "batches": state.batches,
        "labels": targets(state),
        "models": [state.trained[number].model_id for number in sorted(state.trained)],
        "criteria": [dict(state.evaluated[number].stopping) for number in sorted(state.evaluated)],
        "stopped": state.stopped and state.stopped.reason,
        "metrics": rows,
    }


def in_argilla(people: ArgillaPeople) -> Counter[tuple[str, str, int]]:
    """How often each record is there, with its batch and its number of answers."""
    return Counter(
        (record["external_id"], record["metadata"]["batch_id"], len(record["responses"]))
        for record in people.records()
    )


def undisturbed(daemon: Daemon, people: ArgillaPeople) -> tuple[dict[str, Any], Counter[Any]]:
    with slow_people(people, seed=1):
        daemon.start()
        assert daemon.ended(120) == 0
    return outcome(daemon), in_argilla(people)


def kill_at_boundaries(daemon: Daemon) -> int:
    """Kill before and after each event until the run is done; returns the number of kills."""
    return _kill_each(
        daemon, lambda when: daemon.start((sys.executable, "-m", "tests.crash.kill_at", when, "1"))
    )


def kill_forked_at_boundaries(daemon: Daemon) -> int:
    """The same with forked daemons: starting Python for each takes minutes."""
    return _kill_each(daemon, lambda when: daemon.fork("tests.crash.kill_at", when, "1"))


def kill_forked_at_each_third(daemon: Daemon) -> int:
    """The same at a third of the boundaries."""
    return _kill_each(daemon, lambda when: daemon.fork("tests.crash.kill_at", when, "3"))


def _kill_each(daemon: Daemon, start: Callable[[str], subprocess.Popen[bytes] | Forked]) -> int:
    for kills in range(400):
        code = start(("before", "after")[kills % 2]).wait(60)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, daemon.log[-3000:]
    raise RuntimeError("the killed run does not get on")


def kill_at_random(daemon: Daemon) -> int:
    """Kill after random times until the run is done; returns the number of kills."""
    kills, rng = 0, random.Random(5)
    for _ in range(400):
        process = daemon.start(COMMAND)
        try:
            code = process.wait(rng.uniform(0.2, 1.5) * (1 + kills / 4))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert code == 0, daemon.log[-3000:]
        return kills
    raise RuntimeError("the killed run does not get on")


@pytest.mark.parametrize(
    ("kill", "least"),
    [
        (kill_forked_at_each_third, 8),
        pytest.param(kill_forked_at_boundaries, 48, marks=pytest.mark.slow),
        pytest.param(kill_at_boundaries, 48, marks=pytest.mark.slow),
        pytest.param(kill_at_random, 12, marks=pytest.mark.slow),
    ],
)
def test_kills_change_nothing(
    argilla: LiveArgilla, make_daemon: MakeDaemon, kill: Callable[[Daemon], int], least: int
) -> None:
    """At least 116 kills in the four of them."""
    compare(argilla, make_daemon, kill, least, SETTINGS)


@pytest.mark.slow
def test_kills_change_nothing_with_a_transformer(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    settings = {
        **SETTINGS,
        "classifier": {"name": "transformer", "options": {"epochs": 2, "min_steps": 4}},
        "stopping": {"max_rounds": 2},
    }
    compare(argilla, make_daemon, kill_at_boundaries, 20, settings)


def compare(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,
    kill: Callable[[Daemon], int],
    least: int,
    settings: dict[str, Any],
) -> None:
    """Run undisturbed, run with kills, and hold the one against the other."""
    reference = make_daemon(argilla, guests=False, **settings)
    people = argilla.people(reference.dataset)
    expected, records = undisturbed(reference, people)
    people.close()
    assert expected["stopped"] == "max_rounds"
    assert len(expected["metrics"]) == settings["stopping"]["max_rounds"]
    assert set(records.values()) == {1}
    # Random kills strike while the dataset is made, too; else others have made it before.
    daemon = make_daemon(argilla, guests=kill is not kill_at_random, **settings)
    people = argilla.people(daemon.dataset)
    with slow_people(people, seed=2):
        kills = kill(daemon)
    assert outcome(daemon) == expected
    assert in_argilla(people) == records
    people.close()
    assert kills >= least, f"only {kills} kills"
