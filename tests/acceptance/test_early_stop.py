"""A signal before the loop has begun ends the daemon there and then, whatever it is doing."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from loopd.state.lock import holder
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
