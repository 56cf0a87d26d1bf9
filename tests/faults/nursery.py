"""Daemons as processes that are forked from one that has all imports behind it.

Starting Python and importing the libraries takes seconds, and a hundred histories kill some three
hundred daemons. A forked daemon is a real process with its own memory, files and connections.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
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
        return self._born_of(
            {
                "module": command[0],
                "words": [*command[1:], str(config)],
                "folder": str(config.parent),
                "environment": environment,
                "log": str(log),
                "errors": str(errors or log),
            }
        )

    def at_terminal(
        self, terminal: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Forked:
        """Start ``loopd`` at a terminal, whose only process it is.

        Args:
            terminal: path of the device.
            words: of the command.
            folder: to work in.
            environment: all of it.
        """
        return self._born_of(
            {
                "module": "loopd.cli",
                "words": list(words),
                "folder": str(folder),
                "environment": dict(environment),
                "terminal": terminal,
            }
        )

    def _born_of(self, order: dict[str, Any]) -> Forked:
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
    gc.freeze()  # no child walks over it, nor copies its pages
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
    # Opened before anybody hears of the child: a terminal that nobody has open is at its end.
    terminal = os.open(order["terminal"], os.O_RDWR | os.O_NOCTTY) if "terminal" in order else None
    pid = os.fork()
    if pid == 0:
        _live(order, terminal)
    if terminal is not None:
        os.close(terminal)
    _tell(pid, None)


def _bury() -> None:
    with suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            _tell(pid, os.waitstatus_to_exitcode(status))


def _tell(pid: int, code: int | None) -> None:
    sys.stdout.write(json.dumps({"pid": pid, "code": code}) + "\n")
    sys.stdout.flush()


def _live(order: dict[str, Any], terminal: int | None) -> None:
    """Be the daemon; never returns."""
    import importlib

    code = 70
    try:
        if terminal is not None:
            _sit_down(terminal)
            os.environ.clear()
        else:
            _write_to(order["log"], order["errors"])
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        sys.argv = ["loopd", *order["words"]]
        importlib.import_module(order["module"]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _write_to(log: str, errors: str) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for path, target in ((log, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), target)


def _sit_down(device: int) -> None:
    """Have a terminal for everything, as a program that a shell has started there."""
    os.setsid()
    fcntl.ioctl(device, termios.TIOCSCTTY, 0)
    for target in (0, 1, 2):
        os.dup2(device, target)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main()
    os._exit(0)  # to take down all that was imported takes a busy machine minutes
