"""A run whose pool is at a URL: it holds its lock, and what is fetched can be waited for."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

from loopd.storage.lock import run_lock
from loopd.storage.run_folder import FETCHED_FOLDER, FETCHING_FOLDER
from tests.loop.growing import GrowingRun
from tests.loop.removing import RemovingRun


class RunAtUrl(GrowingRun):
    """A run that holds its lock, as the daemon does; whatever is fetched in a turn has come."""

    is_patient = True
    """Whether a turn waits until it has."""

    def start(self) -> None:
        self.held = ExitStack()
        self.held.enter_context(run_lock(self.config.run.dir))
        super().start()

    def turn(self) -> Any:
        event = super().turn()
        if self.is_patient:
            arrived()
        return event

    def idle(self, seconds: int) -> None:
        for _ in range(seconds):
            self.turn()

    @property
    def fetched(self) -> list[str]:
        """What lies here of what is at the URL."""
        folder = self.config.run.dir / FETCHED_FOLDER
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    @property
    def on_the_way(self) -> list[str]:
        """What lies where it comes to."""
        folder = self.config.run.dir / FETCHING_FOLDER
        return sorted(path.name for path in folder.rglob("*") if path.is_file())


class RemovingAtUrl(RunAtUrl, RemovingRun):
    """Its journal is a file, and texts can be withdrawn."""


def arrived() -> None:
    """Wait until nothing is on its way."""
    for thread in threading.enumerate():
        if thread.name == "fetch":
            thread.join(30)
