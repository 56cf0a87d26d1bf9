"""``loopd page``: a run that is not running is shown, followed, and left as it is."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from click.testing import CliRunner

from loopd.cli import main
from loopd.dashboard import recorded
from loopd.dashboard.recorded import PageRecord
from loopd.errors import (
    ConfigError,
    DataError,
    Interrupted,
    LoopdError,
    NewerError,
    StorageError,
)
from loopd.machine import State
from loopd.operations import texts
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.recorded_run import RecordedRun, recorded_run
from loopd.storage.run_folder import PAGE_NAME
from tests.daemon import wait_for
from tests.monitoring.run_folder import run_on_disk
from tests.monitoring.stages import LABELS, run_of

WITHOUT_DAEMON = "No daemon works on this run"


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The command as a process, and a client at the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loopd", "page", str(folder / "my.yaml"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "daemon.lock"}


def test_a_run_at_rest_is_shown_followed_and_left_alone(tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, run_of(2), LABELS, size=120)
    before = contents(config.run.dir)
    with served(tmp_path) as (process, client):
        page = client.get("/").text
        assert WITHOUT_DAEMON in page
        assert "text number 40" not in page, "answered"
        assert "text number 59" in page, "open"
        assert client.get("/api/overview").json()["budget"]["rounds"] == 2
        assert client.get("/readyz").status_code == 503
        assert contents(config.run.dir) == before
        with Journal(config.run.dir / "journal.sqlite") as journal:
            known = len(journal.read())
            for event in run_of(3)[known - 1 :]:  # without the answers to the open batch
                journal.append(event)
        wait_for(lambda: client.get("/api/overview").json()["budget"]["rounds"] == 3, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_daemon_is_noticed_and_its_own_page_is_named(tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, run_of(1), LABELS, size=120)
    address = config.run.dir / PAGE_NAME
    address.write_text("http://127.0.0.1:6905/\n")  # of one that was killed
    with served(tmp_path) as (_, client):
        assert WITHOUT_DAEMON in client.get("/").text
        with run_lock(config.run.dir):
            wait_for(lambda: WITHOUT_DAEMON not in client.get("/").text, 30)
    with run_lock(config.run.dir):
        done = CliRunner().invoke(main, ["page", str(tmp_path / "my.yaml")])
    assert (done.exit_code, done.output) == (
        0,
        "The daemon of this run serves its page: http://127.0.0.1:6905/\n",
    )


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, run_of(1), LABELS, size=120)
    file = str(tmp_path / "my.yaml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["page", file, "--port", port])
        assert done.exit_code == 23
        assert f"port {port} on 127.0.0.1 is taken by another program" in done.output
        assert "--port" in done.output
    config.run.dir.rename(tmp_path / "gone")
    done = CliRunner().invoke(main, ["page", file])
    assert done.exit_code == 13
    assert "no run in" in done.output
    assert CliRunner().invoke(main, ["page", str(tmp_path / "absent.yaml")]).exit_code == 10


def test_texts_that_could_not_be_read_are_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_on_disk(tmp_path, run_of(2), LABELS, size=120)
    monkeypatch.setattr(recorded, "SHARE", 1e9)  # no rest between two looks
    assert config.pool.path is not None
    away = config.pool.path.rename(tmp_path / "away.csv")
    record = PageRecord(config)
    record.look()
    assert any("texts are not shown" in note for note in record.holder.snapshot.notes)
    away.rename(config.pool.path)
    with run_lock(config.run.dir):
        record.look()
        assert record.holder.snapshot.notes == ()
    assert record.holder.source is not None
    assert len(record.holder.source.pool) == 120


def test_a_read_that_fails_is_tried_again_though_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopd.dashboard.recorded.SHARE", 1e9)
    record = PageRecord(run_on_disk(tmp_path, run_of(1), LABELS, size=120))
    whole, failures = recorded_run, [StorageError("busy"), StorageError("busy")]

    def sometimes(folder: Path) -> RecordedRun:
        if failures:
            raise failures.pop()
        return whole(folder)

    monkeypatch.setattr(recorded, "recorded_run", sometimes)
    for _ in range(3):
        record.look()
    assert record.holder.snapshot.state.round == 1


@pytest.mark.parametrize("error", [ConfigError, DataError, StorageError, NewerError])
def test_texts_that_cannot_be_read_are_said_not_to_be_shown(
    error: type[LoopdError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error("it cannot be")

    config = run_on_disk(tmp_path, run_of(1), LABELS, size=120)
    monkeypatch.setattr(texts, "read_data", fail)
    assert texts.texts_of(config, State())[1] == ["The texts are not shown: it cannot be"]
    error = Interrupted
    with pytest.raises(Interrupted):
        texts.texts_of(config, State())
