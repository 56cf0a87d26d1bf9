"""One daemon's visit to a dataset of other people, from before it comes until it has left."""

from __future__ import annotations

from contextlib import suppress

import httpx

from loopd.annotation.page import shown
from loopd.config_file import parse_config
from loopd.errors import LoopdError
from loopd.loop.tools import read_data
from loopd.tasks.registry import build_task
from tests.daemon import Daemon
from tests.faults.guests import Ours
from tests.faults.neighbours import Neighbours
from tests.live import LiveArgilla


class Visit:
    """Makes the dataset that the daemon asks for, with records of others.

    Args:
        live: the server.
        daemon: not started yet.
    """

    def __init__(self, live: LiveArgilla, daemon: Daemon) -> None:
        self._config = parse_config(daemon.settings, daemon.folder)
        self._texts = self._read()
        self._people = Neighbours(live, daemon.dataset)
        question = build_task(self._config.task).question()
        field = self._config.task.field
        self._people.make(question, field, self._config.queue.min_submitted)
        self._people.settle(field)

    def end(self) -> list[str]:
        """What is not as it was; nothing where dataset or server are gone by then."""
        found: list[str] = []
        ours = Ours(self._texts | self._read(), self._config.task.field)
        with suppress(httpx.ConnectError):
            found = self._people.differences(ours)
        self._people.close()
        return found

    def _read(self) -> frozenset[str]:
        """Texts of the pool as the page shows them; tests may change the pool, or break it."""
        spans = self._config.task.type == "spans"
        with suppress(LoopdError):
            pool = read_data(self._config).pool
            return frozenset(shown(record.text, spans=spans) for record in pool)
        return frozenset()
