"""A signal before the loop has begun ends the daemon there and then, whatever it is doing."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import loopd.loop.daemon
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import DataError
from loopd.loop.data_sets import DataSets
from loopd.machine import State
from loopd.storage.lock import holder
from tests.daemon import Daemon, wait_for

pytestmark = pytest.mark.acceptance

SLOW = "import pathlib, time; pathlib.Path('began').touch(); time.sleep(600)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_key_is_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    command = {"api_key_command": [sys.executable, "-c", SLOW]}
    daemon = Daemon(tmp_path, "http://127.0.0.1:9", "", argilla=command)
    process = daemon.start()
    try:
        wait_for((tmp_path / "began").exists, 60, lambda: daemon.log)
        process.send_signal(number)
        assert daemon.ended() == 0, daemon.log
    finally:
        daemon.kill()
    last = json.loads(daemon.log.splitlines()[-1])
    assert (last["event"], last["phase"]) == ("stopped", "start")
    assert holder(daemon.run_dir) is None


def test_a_signal_that_somebody_else_takes_for_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(config: Config, state: State) -> DataSets:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except Exception as error:  # libraries and people's own code do so
            raise DataError("the pool is torn") from error
        raise AssertionError("no signal came")

    monkeypatch.setattr(loopd.loop.daemon, "read_data", read)
    sections = {"run": {"dir": "run"}, "task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}
    config = parse_config(sections, tmp_path)
    assert loopd.loop.daemon.run_daemon(config) == State()
    assert holder(config.run.dir) is None
