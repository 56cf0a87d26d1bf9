"""One daemon's visit to a dataset of other people, from before it comes until it has left."""

from __future__ import annotations

import random
from contextlib import suppress

import httpx

from loopd.annotation.escaping import shown
from loopd.config_file import parse_config
from loopd.errors import LoopdError
from loopd.loop.data_sets import read_data
from loopd.tasks.registry import build_task
from tests.daemon import Daemon
from tests.faults.guests import Ours
from tests.faults.neighbours import Neighbours
from tests.live import LiveArgilla

OFTEN = 0.1
"""How likely others do something when they may."""


class Visit:
    """Makes the dataset that the daemon asks for, with records of others.

    Args:
        live: the server.
        daemon: not started yet.
        later: the daemon makes it, and the others come as soon as it is there.
    """

    def __init__(self, live: LiveArgilla, daemon: Daemon, *, later: bool = False) -> None:
        self._config = parse_config(daemon.settings, daemon.folder)
        self._texts = self._read()
        self._people = Neighbours(live, daemon.dataset)
        self._rng = random.Random(daemon.dataset)
        self._there = not later
        if not later:
            question = build_task(self._config.task).question()
            self._people.make(question, self._config.task.field, self._config.queue.min_submitted)
            self._people.settle(self._config.task.field)

    def meanwhile(self) -> None:
        """What others do now: they come, or add metadata to any record, those of loopd too."""
        if self._there and self._rng.random() < OFTEN:
            self._people.add_metadata_somewhere(self._rng)
        elif not self._there and self._people.may_come():
            self._people.settle(self._config.task.field, later=True)
            self._there = True

    def end(self) -> list[str]:
        """What is not as it was; nothing where dataset or server are gone by then."""
        lines: list[str] = []
        ours = Ours(self._texts | self._read(), self._config.task.field)
        with suppress(httpx.ConnectError):
            self._people.do_the_last_again()
            lines = self._people.differences(ours)
        self._people.close()
        return lines

    def _read(self) -> frozenset[str]:
        """Texts of the pool as the page shows them; tests may change the pool, or break it."""
        spans = self._config.task.type == "spans"
        with suppress(LoopdError):
            pool = read_data(self._config).pool
            return frozenset(shown(record.text, spans=spans) for record in pool)
        return frozenset()
