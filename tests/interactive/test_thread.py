"""`loopd.run_daemon` in a thread of a program: it is ended with a `Stop`, and may be looked at."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import loopd
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import JournalError, LockedError, RunError
from loopd.machine import Phase, State
from loopd.storage.lock import holder
from tests.daemon import wait_for, write_csv
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS
from tests.terminal import interruptible


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A daemon in this process sets up the log; later tests capture it."""
    yield
    structlog.reset_defaults()


class Worker:
    """A daemon in a thread."""

    def __init__(self, config: Config) -> None:
        self.stop = loopd.Stop()
        self.state: State | None = None
        self.error: BaseException | None = None
        self._config = config
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.state = loopd.run_daemon(self._config, stop=self.stop)
        except BaseException as error:  # noqa: BLE001 - for whoever joins
            self.error = error

    def end(self) -> State:
        """Ask it to stop, and wait until it has."""
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        assert self.state is not None
        return self.state


@pytest.fixture
def make_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Config]:
    def make(url: str, key: str) -> Config:
        monkeypatch.setenv("ARGILLA_API_KEY", key)
        write_csv(tmp_path / "pool.csv", 60, "r")
        content: dict[str, Any] = {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"url": url, "dataset": f"thread-{uuid.uuid4().hex[:10]}"},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "pool.csv", "id": "id"},
            "classifier": {"name": "tfidf"},
            "strategy": {"cold_start": "random_sampling"},
            "queue": {"batch_size": 6, "low_watermark": 0, "poll_interval": 0.1},
            "dashboard": {"enabled": False},
        }
        return parse_config(content, tmp_path)

    return make


def test_it_ends_while_it_waits_for_an_argilla(make_config: Callable[[str, str], Config]) -> None:
    config = make_config("http://127.0.0.1:9", "a-key")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    worker = Worker(config)
    wait_for(lambda: holder(config.run.dir) is not None, 60, lambda: str(worker.error))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert worker.end() == State()
    assert holder(config.run.dir) is None


def test_a_stop_that_was_there_before_ends_it_at_once(
    make_config: Callable[[str, str], Config],
) -> None:
    stop = loopd.Stop()
    stop.set()
    assert loopd.run_daemon(make_config("http://127.0.0.1:9", "a-key"), stop=stop) == State()


NOTEBOOK = """
import os, signal, sys
from loopd.loop.stop import Stop, on_signals
number = signal.Signals[sys.argv[1]]
stop = Stop(**{name: True for name in sys.argv[2:]})
signal.signal(signal.SIGTERM, lambda *_: print("as before"))
try:
    with on_signals(stop):
        for _ in range(2):
            os.kill(os.getpid(), number)
            print(stop.is_set())
except KeyboardInterrupt:
    print("interrupted")
print("the kernel lives")
"""


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["SIGINT"], ["True", "interrupted", "the kernel lives"], 0),
        (["SIGTERM"], ["True", "as before", "True", "the kernel lives"], 0),
        (["SIGINT", "second_kills"], ["True"], -signal.SIGINT),
        (["SIGTERM", "second_kills"], ["True"], -signal.SIGTERM),
    ],
)
def test_a_second_signal_does_what_it_did_before(
    words: list[str], said: list[str], code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-uc", NOTEBOOK, *words], capture_output=True, text=True, check=False,
        preexec_fn=interruptible,
    )  # fmt: skip
    assert (done.stdout.split("\n")[:-1], done.returncode) == (said, code), done.stderr


@pytest.mark.integration
def test_it_runs_and_is_looked_at_meanwhile(
    argilla: LiveArgilla, make_config: Callable[[str, str], Config]
) -> None:
    config = make_config(argilla.url, argilla.owner_key)
    with pytest.raises(RunError):
        loopd.open(config)
    worker = Worker(config)
    try:
        wait_for(lambda: _is_collecting(config), 120, lambda: str(worker.error))
        run = loopd.open(config)
        assert list(run.batches()["size"]) == [6]
        assert len(run.labels()) == 0
        assert "records are open" in str(run._repr_html_())
        with pytest.raises(LockedError):
            loopd.run_daemon(config)
    finally:
        state = worker.end()
    assert state.phase is Phase.COLLECT
    assert holder(config.run.dir) is None


def _is_collecting(config: Config) -> bool:
    try:
        return bool(loopd.open(config).status()["phase"] == "collect")
    except (RunError, JournalError):  # the file is there before there is anything in it
        return False
