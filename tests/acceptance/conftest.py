"""Daemons for acceptance tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.faults.nursery import Nursery
from tests.faults.visit import Visit
from tests.live import LiveArgilla

MakeDaemon = Callable[..., Daemon]


def slowly(*values: Any) -> Any:
    """A case for `make check-full`: others of its kind are in `make test`."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def make_daemon(tmp_path: Path, nursery: Nursery) -> Iterator[MakeDaemon]:
    """Daemons, and beside each other people's records, which must be as they were in the end.

    ``guests=False`` leaves it to the daemon to make the dataset.
    """
    made: list[Daemon] = []
    visits: list[Visit] = []

    def make(
        live: LiveArgilla, /, *, url: str = "", guests: bool = True, **sections: dict[str, Any]
    ) -> Daemon:
        folder = tmp_path / f"live-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        daemon = Daemon(folder, url or live.url, live.owner_key, nursery, **sections)
        daemon.settings["argilla"].setdefault("workspace", live.workspace)
        daemon.save()
        made.append(daemon)
        if guests and "dataset" not in sections.get("argilla", {}):
            visits.append(Visit(live, daemon))
        return daemon

    yield make
    for daemon in made:
        daemon.kill()
    lines = [line for visit in visits for line in visit.end()]
    assert not lines, "\n".join(lines)
