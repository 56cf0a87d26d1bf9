"""A real loopd daemon as a process of its own, its configuration and journal in reach."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from loopd.errors import JournalError, StorageError
from loopd.machine import State, fold
from loopd.storage.journal import Journal
from tests.faults.nursery import ONE_THREAD, PATIENCE, Forked, Nursery
from tests.loop.conftest import LABELS, make_pool

COMMAND = (sys.executable, "-m", "loopd", "run")

Condition = Callable[[State], bool]
Look = TypeVar("Look")


class Daemon:
    """``loopd run`` on a folder of its own.

    Args:
        folder: gets configuration, data and run directory.
        url, api_key: of the Argilla server.
        nursery: forks the processes; without one each starts a Python of its own.
        sections: overrides of the configuration, by section.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        api_key: str,
        nursery: Nursery | None = None,
        **sections: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.run_dir = folder / "run"
        self.api_key = api_key
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.nursery = nursery
        self.settings = _settings(folder, url, sections)
        self.save()
        write_csv(folder / "pool.csv", 60, "r")
        write_csv(folder / "test.csv", 20, "t")

    @property
    def dataset(self) -> str:
        return str(self.settings["argilla"]["dataset"])

    def save(self) -> None:
        """Write the configuration after a change of ``settings``."""
        self.config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        root = str(Path(__file__).parent.parent)
        return {**os.environ, **ONE_THREAD, "ARGILLA_API_KEY": self.api_key, "PYTHONPATH": root}

    def start(
        self, command: Sequence[str] | None = None, **env: str
    ) -> subprocess.Popen[bytes] | Forked:
        """Start the process; its stderr goes to ``daemon.log``.

        Args:
            command: of a process that is really started, not forked.
            env: added to its environment.
        """
        if self.nursery is not None and command is None:
            return self.fork("loopd.cli", "run", **env)
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*(command or COMMAND), str(self.config)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**self.environment, **env},
            )
        return self.process

    def fork(self, *command: str, **env: str) -> Forked:
        """Have the nursery fork the process: a module with a ``main``, and its arguments."""
        if self.nursery is None:
            raise RuntimeError("no nursery")
        log, environment = self.folder / "daemon.log", {**self.environment, **env}
        self.process = self.nursery.spawn(self.config, log, environment, command)
        return self.process

    def loopd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another loopd command on this configuration to its end."""
        verb, *rest = arguments
        if self.nursery is not None:
            return self._forked(self.nursery, arguments)
        return subprocess.run(
            [sys.executable, "-m", "loopd", verb, str(self.config), *rest],
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            cwd=self.folder,
            env=self.environment,
            check=False,
        )

    def _forked(
        self, nursery: Nursery, arguments: Sequence[str]
    ) -> subprocess.CompletedProcess[str]:
        out, errors = self.folder / "out.txt", self.folder / "errors.txt"
        for path in (out, errors):
            path.unlink(missing_ok=True)
        command = ("loopd.cli", *arguments)
        child = nursery.spawn(self.config, out, self.environment, command, errors=errors)
        try:
            code = child.wait(120 * PATIENCE)
        finally:
            child.kill()
        texts = (path.read_text(encoding="utf-8") for path in (out, errors))
        return subprocess.CompletedProcess(list(arguments), code or 0, *texts)

    def spawn(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        """Start another loopd command on this configuration."""
        return subprocess.Popen(
            [sys.executable, "-m", "loopd", verb, str(self.config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )

    @property
    def log(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @property
    def state(self) -> State:
        """The state that the journal gives now."""
        path = self.run_dir / "journal.sqlite"
        if not path.exists():
            return State()
        try:
            with Journal(path, read_only=True) as journal:
                return fold(journal.read())
        except (JournalError, StorageError):
            return State()  # being created this very moment

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The metrics log."""
        path = self.run_dir / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def wait(self, condition: Condition, seconds: float = 90) -> State:
        """Poll the journal until the condition holds; the daemon must stay alive."""
        return wait_for(lambda: self._holding(condition), seconds, lambda: self.log[-3000:])

    def wait_log(self, words: str, seconds: float = 60) -> None:
        """Poll the log until the words are in it."""
        wait_for(lambda: words in self.log, seconds, lambda: self.log[-3000:])

    def ended(self, seconds: float = 60) -> int:
        """Exit code, once the process has ended by itself."""
        if self.process is None:
            raise RuntimeError("not started")
        try:
            code = self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        assert code is not None, f"still running: {self.log[-3000:]}"
        return code

    def signal(self, number: int) -> None:
        """Send it to the process, which must have been started."""
        assert self.process is not None, "not started"
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, if it still lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def healthy_state(self) -> State:
        """The state; the process must live, or have ended well."""
        if self.process is not None and self.process.poll() not in (None, 0):
            raise RuntimeError(f"the daemon ended: {self.log[-3000:]}")
        return self.state

    def _holding(self, condition: Condition) -> State | None:
        state = self.state
        if condition(state):
            return state
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(
                f"the daemon ended with {self.process.returncode}: {self.log[-2000:]}"
            )
        return None


def wait_for(
    look: Callable[[], Look | None], seconds: float, explain: Callable[[], str] = str
) -> Look:
    """Poll until ``look`` gives something true."""
    deadline = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"nothing within {seconds} s: {explain()}")


def write_csv(path: Path, size: int, prefix: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label"])
        writer.writerows(
            [record.id, record.text, record.gold] for record in make_pool(size, prefix)
        )


def _settings(folder: Path, url: str, sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    settings: dict[str, dict[str, Any]] = {
        "run": {"dir": "run", "seed": 1},
        "argilla": {"url": url, "dataset": folder.name.replace("_", "-"), "max_backoff": 0.5},
        "task": {"labels": list(LABELS)},
        "pool": {"path": "pool.csv", "id": "id"},
        "test": {"path": "test.csv", "id": "id", "label": "label"},
        "classifier": {"name": "tfidf"},
        # Nothing heavy is imported before the first fit: daemons that only wait start fast.
        "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
        "queue": {
            "batch_size": 6,
            "low_watermark": 0,
            "poll_interval": 0.1,
            "sweep_interval": 1.0,
        },
        "stopping": {"max_rounds": 3},
        # Its imports take time; a test that looks at the page switches it on.
        "dashboard": {"enabled": False, "port": 0},
    }
    for name, values in sections.items():
        settings[name] = {**settings.get(name, {}), **values}
    return settings
