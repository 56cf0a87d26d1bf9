"""The process around the loop, from its first look at files to its last word, beside one server.

The server is in memory; files, lock and journal are real.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.annotation.argilla_store import annotation_page
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.server_version import ServerVersion
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.data.report import ReadingReport
from loopd.errors import RunError
from loopd.events import (
    BatchPlanned,
    Event,
    PoolChanged,
    RoundEvaluated,
    RunStarted,
    RunStopped,
    TextsWithdrawn,
)
from loopd.loop.daemon import MANY_FILES, open_more_files, run_daemon
from loopd.loop.pool_source import HINT
from loopd.loop.run import Loop
from loopd.loop.stop import Stop
from loopd.machine import Phase, State, fold
from loopd.metrics_log.rows import read_metrics
from loopd.records import PoolId
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.journal import Journal
from loopd.storage.lock import holder
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.run_folder import CURVE_NAME, JOURNAL_NAME, METRICS_NAME
from loopd.tasks.registry import build_task
from tests.daemon import write_csv
from tests.loop.conftest import LABELS, gold_of, make_pool

URL = "http://127.0.0.1:9"
"""Where no request goes."""


class ServerInMemory(MemoryStore):
    """Everything that a daemon asks of its server; people act whenever it looks for news."""

    def __init__(self, meanwhile: Callable[[ServerInMemory], None]) -> None:
        config = parse_config({"task": {"labels": list(LABELS)}, "pool": {"path": "x"}}, Path())
        super().__init__(build_task(config.task))
        self.meanwhile = meanwhile
        self.dataset_id = "memory"
        self.listed = make_pool(0)
        self.farewells = 0

    def account(self) -> tuple[str, str]:
        return "owner", "owner"

    def server(self) -> ServerVersion:
        return ServerVersion("Argilla", "2.8.0")

    def preview(self, _: Pool, *, fresh: bool) -> str:
        return "a dataset" if fresh else ""

    def describe(self) -> str:
        return annotation_page(URL, self.dataset_id)

    def farewell(self) -> None:
        self.farewells += 1

    def texts(self, *_: object) -> tuple[Pool, ReadingReport]:
        """What a pool in Argilla has."""
        count = len(self.listed)
        return self.listed, ReadingReport("theirs", count, count, 0, 0, 0, 0, ())

    def activity(self) -> str:
        self.meanwhile(self)
        return super().activity()


def answer_all(server: ServerInMemory) -> None:
    for id_ in server.open_records("ann"):
        server.submit(id_, "ann", gold_of(int(str(id_)[-3:])))


class Office:
    """One run in a folder, of which one daemon after the other is started in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.stop = folder, Stop()
        self.server = ServerInMemory(answer_all)
        self.sections: dict[str, Any] = {}
        monkeypatch.setenv("ARGILLA_API_KEY", "a-key")
        monkeypatch.setattr("loopd.loop.daemon.build_store", lambda *_: self.server)
        write_csv(folder / "pool.csv", 40, "r")

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    def run(self, rest: Callable[[Loop], None] | None = None) -> tuple[State, list[dict[str, Any]]]:
        """One daemon from beginning to end; the state then, and what it logged."""
        settings: dict[str, Any] = {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"url": URL, "dataset": "office"},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "pool.csv", "id": "id"},
            "classifier": {"name": "tfidf"},
            "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
            "queue": {"batch_size": 6, "low_watermark": 0, "poll_interval": 0.01},
            "audit": {"random_share": 0.0, "folds": 0},
            "stopping": {"criteria": [], "max_rounds": 2},
            "dashboard": {"enabled": False},
        }
        self.stop = Stop()
        config = parse_config({**settings, **self.sections}, self.folder)
        with capture_logs() as lines:
            state = run_daemon(config, rest=rest, stop=self.stop)
        return state, [dict(line) for line in lines]

    def journal(self) -> list[Event]:
        with Journal(self.run_dir / JOURNAL_NAME) as journal:
            return journal.read()

    def waits(self, server: ServerInMemory) -> None:
        """Nobody answers, and somebody stops the daemon once a batch is out."""
        if server.open_records("ann"):
            self.stop.set()


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(tmp_path, monkeypatch)


def events_of(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [str(line["event"]) for line in lines]


def test_a_run_to_its_end_and_another_start(office: Office) -> None:
    """All that is written beside the journal is there before the run rests under its lock."""
    seen: list[tuple[bool, list[str], int]] = []

    def rest(loop: Loop) -> None:
        here = [name for name in (CURVE_NAME, METRICS_NAME) if (office.run_dir / name).exists()]
        seen.append((holder(office.run_dir) is not None, here, office.server.farewells))
        assert not loop.stop.at_once

    state, lines = office.run(rest)
    events = office.journal()
    assert state.phase is Phase.DONE
    assert fold(events) == state
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunStopped)
    assert seen == [(True, [CURVE_NAME, METRICS_NAME], 1)]
    assert holder(office.run_dir) is None
    rows = read_metrics(office.run_dir / METRICS_NAME)
    assert [row["round"] for row in rows] == [0, 1]
    assert sum(isinstance(event, RoundEvaluated) for event in events) == 2
    told = events_of(lines)
    assert told.index("annotate_here") < told.index("run_started") < told.index("run_stopped")
    assert "stopped" not in told

    after, lines = office.run(rest)
    assert after == state
    assert office.journal() == events, "it simply goes on"
    assert len(seen) == 2
    assert "run_started" not in events_of(lines)


def test_a_daemon_that_is_stopped_does_not_rest(office: Office) -> None:
    office.server.meanwhile = office.waits
    state, lines = office.run(lambda _: pytest.fail("it rests"))
    assert state.phase is Phase.COLLECT
    assert office.server.farewells == 0
    (line,) = [line for line in lines if line["event"] == "stopped"]
    assert (line["phase"], line["hint"]) == ("collect", "start again to go on")
    assert not (office.run_dir / CURVE_NAME).exists()


def test_what_the_files_hold_by_now_is_said_at_the_next_start(office: Office) -> None:
    office.server.meanwhile = office.waits
    _, lines = office.run()
    assert "pool_file" not in events_of(lines)
    write_csv(office.folder / "pool.csv", 43, "r")
    state, lines = office.run()
    (line,) = [line for line in lines if line["event"] == "pool_file"]
    assert (line["log_level"], line["hint"]) == ("warning", HINT)
    assert line["says"] == "the pool has changed since it was read: 3 new"
    assert state.texts == 40


def test_a_journal_from_a_backup_learns_what_was_withdrawn_since(office: Office) -> None:
    office.server.meanwhile = office.waits
    office.run()
    journal, backup = office.run_dir / JOURNAL_NAME, office.folder / "backup"
    shutil.copy(journal, backup)
    RemovalRequests(office.run_dir).leave([PoolId("r007")])
    state, _ = office.run()
    assert state.withdrawn == {"r007"}
    journal.unlink()
    shutil.copy(backup, journal)
    assert not any(isinstance(event, TextsWithdrawn) for event in office.journal())
    after, lines = office.run()
    events = office.journal()
    assert [event.ids for event in events if isinstance(event, TextsWithdrawn)] == [("r007",)]
    assert after.withdrawn == {"r007"}
    assert fold(events) == after
    (line,) = [line for line in lines if line["event"] == "texts_withdrawn"]
    assert (line["count"], line["records"]) == (1, ["r007"])
    again, _ = office.run()
    assert office.journal() == events, "once is enough"
    assert again == after


# -- a pool in Argilla -----------------------------------------------------------------------------


@pytest.fixture
def shared(office: Office) -> Office:
    """A run over a dataset of others, stopped while its first batch is out."""
    office.sections = {"pool": {"argilla": {"dataset": "theirs"}}, "argilla": {"url": URL}}
    office.server.meanwhile, office.server.listed = office.waits, unlabelled(12)
    office.run()
    return office


def unlabelled(size: int) -> Pool:
    return Pool(tuple(replace(record, gold=None) for record in make_pool(size)))


def test_what_joins_a_pool_in_argilla_between_two_starts_is_taken_in(shared: Office) -> None:
    assert [len(part) for part in Intakes(shared.run_dir).read()] == [12]
    batch = {id_ for event in shared.journal() if isinstance(event, BatchPlanned)
             for id_ in event.batch.record_ids}  # fmt: skip
    gone = min(record.id for record in shared.server.listed if record.id not in batch)
    left = (record for record in unlabelled(15) if record.id != gone)
    shared.server.listed = Pool(tuple(left))
    state, lines = shared.run()
    (changed,) = [event for event in shared.journal() if isinstance(event, PoolChanged)]
    assert changed.added == 3
    assert changed.gone == (gone,)
    assert [len(part) for part in Intakes(shared.run_dir).read()] == [12, 3]
    assert state.gone == {gone}
    assert state.pool_fingerprint == changed.pool_fingerprint
    told = {line["event"]: line["count"] for line in lines if "_the_pool" in line["event"]}
    assert told == {"texts_joined_the_pool": 3, "texts_gone_from_the_pool": 1}


def test_another_dataset_than_the_pool_s_is_refused_before_anything_is_taken_in(
    shared: Office,
) -> None:
    before = shared.journal()
    shared.server.listed, shared.server.dataset_id = unlabelled(15), "another"
    with pytest.raises(RunError, match="not the one that this run began with") as caught:
        shared.run()
    assert caught.value.hint.startswith("restore argilla.url and argilla.dataset")
    assert shared.journal() == before
    assert [len(part) for part in Intakes(shared.run_dir).read()] == [12]


# -- file descriptors ------------------------------------------------------------------------------


def test_as_many_files_may_be_open_as_are_granted() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
    few = most // 2
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        open_more_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
        open_more_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard), "nothing is taken back"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
