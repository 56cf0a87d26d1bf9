"""Daemons as processes that are forked from one that has all imports behind it.

Starting Python and importing the libraries takes seconds, and a hundred histories kill some three
hundred daemons. A forked daemon is a real process with its own memory, files and connections.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HEAVY = (
    "loopd.cli",
    "loopd.loop.daemon",
    "loopd.learning.classifiers.tfidf",
    "loopd.learning.small_text_query",
    "loopd.learning.fitted",
    "loopd.learning.problems.single_label",
    "loopd.metrics_log.curve",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "small_text",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.metrics",
    "tests.crash.kill_at",
    "tests.faults.watched",
)
"""What a daemon imports sooner or later."""

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Environment of every daemon, forked or started: sums differ in the last bit with the number of
threads, and the toy pool has ties that a last bit decides."""


PATIENCE = float(os.environ.get("LOOPD_PATIENCE", "1"))
"""So many times as long as on a quick machine a test waits until it gives up."""


class Forked:
    """A daemon's process, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.ended = threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Exit code; minus the number of the signal that killed it.

        Raises:
            subprocess.TimeoutExpired: it still lives.
        """
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired("daemon", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks; a context manager."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": root},
        )
        self._children: dict[int, Forked] = {}
        self._born: list[Forked] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            child.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60 * PATIENCE)
        self._reader.join(60 * PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def spawn(
        self,
        config: Path,
        log: Path,
        environment: dict[str, str],
        command: Sequence[str] = ("tests.faults.watched",),
        *,
        errors: Path | None = None,
    ) -> Forked:
        """Start a daemon on a configuration; its output goes to the log.

        Args:
            config: of the daemon.
            log: takes its output.
            environment: what is added to this one's.
            command: module whose ``main`` is called, and the arguments before the configuration.
            errors: takes what goes to stderr, where that is not to be in the log.
        """
        order = {"config": str(config), "log": str(log), "environment": environment}
        order |= {"module": command[0], "arguments": list(command[1:])}
        order |= {"errors": str(errors or log)}
        with self._news:
            self._say(order)
            if not self._news.wait_for(lambda: self._born, 120 * PATIENCE):
                raise TimeoutError("no daemon was born")
            return self._born.pop()

    def _say(self, order: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the nursery has no input")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            news = json.loads(line)
            with self._news:
                if news["code"] is None:
                    self._children[news["pid"]] = Forked(news["pid"])
                    self._born.append(self._children[news["pid"]])
                    self._news.notify_all()
                else:
                    child = self._children.pop(news["pid"])
                    child.returncode = news["code"]
                    child.ended.set()


# -- inside the process that forks -----------------------------------------------------------------


def main() -> None:
    """Fork a daemon for each line of standard input; say who was born and who has ended."""
    import importlib

    for name in HEAVY:
        importlib.import_module(name)
    waiting = b""
    while True:
        _bury()
        if not select.select([0], [], [], 0.02)[0]:
            continue
        data = os.read(0, 65536)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            _bear(json.loads(line))


def _bear(order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        _live(order)
    _tell(pid, None)


def _bury() -> None:
    with suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            _tell(pid, os.waitstatus_to_exitcode(status))


def _tell(pid: int, code: int | None) -> None:
    sys.stdout.write(json.dumps({"pid": pid, "code": code}) + "\n")
    sys.stdout.flush()


def _live(order: dict[str, Any]) -> None:
    """Be the daemon; never returns."""
    import importlib

    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, target in (("log", 1), ("errors", 2)):
            os.dup2(os.open(order[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), target)
        os.environ.update(order["environment"])
        os.chdir(Path(order["config"]).parent)
        sys.argv = ["loopd", *order["arguments"], order["config"]]
        importlib.import_module(order["module"]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
    os._exit(0)  # to take down all that was imported takes a busy machine minutes
