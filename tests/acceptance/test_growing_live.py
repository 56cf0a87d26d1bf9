"""A pool that grows live: a daemon, an Argilla, people, a file every now and then, and SIGKILL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopd.events import BatchPlanned, Event, PoolGrew, RunStarted
from loopd.machine import State
from loopd.oracle.oracle import OracleOptions, OracleTask
from loopd.records import Target
from loopd.storage.journal import Journal
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, gold_of, make_pool
from tests.loop.growing import rows, write_rows
from tests.simulation.conftest import Running, start

pytestmark = [
    pytest.mark.integration,
    pytest.mark.acceptance,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

DAYS, A_DAY, ALL = 7, 20, 240
PEOPLE = OracleOptions(people=2, poll_seconds=0.1, seconds_per_answer=0.01, seed=3)


@pytest.fixture
def people() -> Iterator[list[Running]]:
    """Oracles that end with the test."""
    started: list[Running] = []
    yield started
    for each in started:
        each.stop.set()
        each.thread.join(30)


def events_of(daemon: Daemon) -> list[Event]:
    with Journal(daemon.run_dir / "journal.sqlite", read_only=True) as journal:
        return list(journal.read())


def day(number: int) -> tuple[str, ...]:
    """Ids of the texts of a day's file."""
    return tuple(row[0] for row in rows(number * A_DAY, A_DAY))


def write_day(folder: Path, number: int) -> None:
    """A file as others write it: under another name first."""
    path = folder / f"day{number}.csv"
    write_rows(path.with_suffix(".csv.tmp"), rows(number * A_DAY, A_DAY))
    path.with_suffix(".csv.tmp").rename(path)


def chosen_before_they_came(events: list[Event]) -> set[str]:
    """Ids in batches that were planned before the fact of their intake."""
    there, early = set[str](), set[str]()
    for event in events:
        if isinstance(event, RunStarted):
            there |= set(day(0))
        elif isinstance(event, PoolGrew):
            there |= {f"r{n:03d}" for n in range(event.first, event.total)}
        elif isinstance(event, BatchPlanned):
            early |= set(event.batch.record_ids) - there
    return early


def test_daily_files_join_while_people_label_and_the_daemon_is_killed(
    argilla: LiveArgilla, make_daemon: MakeDaemon, people: list[Running]
) -> None:
    daemon = make_daemon(
        argilla,
        guests=False,
        pool={"path": "tickets", "follow": "1s"},
        queue={"batch_size": 8, "low_watermark": 0},
        stopping={"max_rounds": None, "label_budget": 150},
    )
    folder = daemon.folder / "tickets"
    write_day(folder, 0)
    gold: dict[str, Target] = {record.id: gold_of(n) for n, record in enumerate(make_pool(ALL))}
    task = SingleLabelTask(LABELS, "label", "text", "Which label fits?")
    at_work = OracleTask(argilla.server.workspace, daemon.dataset, task, gold)
    people.append(start(argilla.url, argilla.owner_key, at_work, PEOPLE))
    daemon.start()
    daemon.wait(lambda state: bool(state.published))
    for number in range(1, DAYS):
        write_day(folder, number)
        if number % 2:  # somewhere between the look and the fact, or behind it
            daemon.kill()
            daemon.start()

        def joined(state: State, number: int = number) -> bool:
            return len(state.intakes) >= number

        daemon.wait(joined)
    write_rows(daemon.folder / "more.csv", rows(DAYS * A_DAY - 1, 21))
    adding = daemon.spawn("add", "more.csv")
    said, _ = adding.communicate(timeout=120)
    assert adding.returncode == 0, said
    assert "takes them in after this step" in said
    state = daemon.wait(lambda state: len(state.intakes) == DAYS)
    assert [fact.source for fact in state.intakes] == [
        *(f"day{number}.csv" for number in range(1, DAYS)),
        "more.csv",
    ]
    assert (state.texts, state.intakes[-1].new) == (DAYS * A_DAY + 20, 20)
    (folder / "day1.csv").unlink()
    daemon.kill()
    daemon.start()
    assert daemon.ended(300) == 0
    events = events_of(daemon)
    assert chosen_before_they_came(events) == set()
    assert state.planned_ids <= daemon.state.planned_ids
    assert daemon.state.planned_ids & set(day(DAYS - 1)), "no text of the last file was chosen"
    told = json.loads(daemon.loopd("status", "--json").stdout)
    assert told["pool"]["texts"] == DAYS * A_DAY + 20
    assert told["pool"]["added"] == DAYS * A_DAY
    out = daemon.folder / "all.csv"
    assert daemon.loopd("predict", "--out", str(out)).returncode == 0
    assert len(out.read_text().splitlines()) == DAYS * A_DAY + 20 + 1
