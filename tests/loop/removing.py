"""A run with a journal on disk from which texts are withdrawn, and a search for what is left."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loopd.config import Config
from loopd.events import Event
from loopd.loop.removal_watch import RemovalWatch
from loopd.loop.tools import Clock
from loopd.machine import State
from loopd.records import PoolId
from loopd.storage.journal import Journal
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.run_folder import JOURNAL_NAME
from tests.loop.growing import GrowingRun


@dataclass
class RemovingRun(GrowingRun):
    """Its journal is a file, which each process opens anew."""

    journal: Journal | None = None

    @property
    def run_dir(self) -> Path:
        return self.config.run.dir

    def removals(self, config: Config, clock: Clock) -> RemovalWatch | None:
        return RemovalWatch(config, clock.wall, self.journal)

    def start(self) -> None:
        """Begin a process: what it knows is what the journal says."""
        self.journal = Journal(self.run_dir / JOURNAL_NAME)
        self.events = self.journal.read()
        super().start()

    def end(self) -> None:
        """The process is gone."""
        if self.journal is not None:
            self.journal.close()
        self.journal = None

    def started_again(self) -> RemovingRun:
        self.end()
        again = super().started_again()
        assert isinstance(again, RemovingRun)
        return again

    def journal_append(self, event: Event) -> None:
        if self.journal is not None:
            self.journal.append(event)
        self.events.append(event)

    def ask_to_remove(self, *ids: str) -> None:
        """What ``loopd remove`` leaves for a daemon."""
        RemovalRequests(self.run_dir).leave(map(PoolId, ids))

    def remove(self, *ids: str) -> State:
        """Turn the loop until they are withdrawn, and what follows from it is done."""
        self.ask_to_remove(*ids)
        self.people_rest, rested = True, self.people_rest
        for _ in range(20):
            self.turn()
            if not RemovalRequests(self.run_dir).waiting() and self.is_settled:
                break
        self.people_rest = rested
        assert set(ids) <= self.state.withdrawn
        return self.state

    @property
    def is_settled(self) -> bool:
        removals = self.tools.removals
        return removals is not None and removals._settled == self.state.withdrawn


def written(text: str) -> tuple[bytes, ...]:
    """How a text may stand in a file, put together without loopd."""
    escaped = json.dumps(text)[1:-1]
    forms = (text, escaped, json.dumps(text, ensure_ascii=False)[1:-1])
    return tuple(
        form.encode(code) for form in forms for code in ("utf-8", "utf-16-le", "utf-16-be")
    )


def holders(folder: Path, texts: Iterable[str]) -> list[str]:
    """Files of a folder, WAL and caches and hidden ones included, that hold one of the texts."""
    needles = [form for text in texts for form in written(text)]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        str(path.relative_to(folder))
        for path in files
        if any(needle in path.read_bytes() for needle in needles)
    ]
