"""Whole runs through a front, with everything of loopd that talks to Argilla."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from tests.daemon import Daemon

VERBS = (["check"], ["status"], ["report"], ["export", "--no-model"])


def whole_run(daemon: Daemon) -> None:
    """As many rounds as it is to have, played by ``loopd oracle`` through the same front."""
    run = daemon.start()
    oracle = daemon.fork("loopd.cli", "oracle", "--gold", "label", "--seconds", "0")
    daemon.process = run
    try:
        assert daemon.ended(120) == 0, daemon.log
        oracle.send_signal(signal.SIGTERM)
        assert oracle.wait(30) == 0, daemon.log
    finally:
        oracle.kill()
    assert len(daemon.state.published) == daemon.settings["stopping"]["max_rounds"]


def everything(daemon: Daemon) -> None:
    """A whole run, all verbs, a listener, and a recovery.

    What is printed is kept in the daemon's folder.
    """
    whole_run(daemon)
    for verb in VERBS:
        succeeds(daemon, *verb)
    daemon.fork("tests.fronts.heard")
    assert daemon.ended() == 0, daemon.log
    assert "heard of 12 records" in daemon.log
    recovered(daemon)


def recovered(daemon: Daemon) -> None:
    """The run's folder is lost, `loopd recover` brings it back, and the run goes on to its end."""
    answers = daemon.state.answers
    (daemon.folder / "lost").mkdir()
    shutil.move(daemon.run_dir, daemon.folder / "lost")
    succeeds(daemon, "recover")
    assert daemon.state.answers.keys() == answers.keys()
    daemon.start()
    assert daemon.ended() == 0, daemon.log


def succeeds(daemon: Daemon, *verb: str) -> None:
    """The command ends with 0."""
    done = daemon.loopd(*verb)
    with (daemon.folder / "printed.txt").open("a", encoding="utf-8") as printed:
        printed.write(done.stdout + done.stderr)
    assert done.returncode == 0, (verb, done)


def holding(folder: Path, secret: str) -> set[str]:
    """Names of the files in which a secret is."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5  # it is the right folder
    return {path.name for path in files if secret.encode() in path.read_bytes()}
