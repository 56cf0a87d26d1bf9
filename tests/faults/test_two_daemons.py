"""Two runs on one dataset: one of them runs, the other ends and says why."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from loopd.machine import State
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.daemon import Daemon, wait_for
from tests.faults.guests import Ours
from tests.faults.neighbours import Neighbours
from tests.faults.whole import whole
from tests.guard import MARK
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool

pytestmark = [pytest.mark.integration, pytest.mark.crash, pytest.mark.timeout(900)]

TEXTS = frozenset(record.text for record in make_pool(60))
OPTIONS = [{"value": label, "text": label} for label in LABELS]
QUESTION = {
    "name": "label",
    "title": "Which label fits?",
    "required": True,
    "settings": {"type": "label_selection", "options": OPTIONS},
}
BATCH = 6
DATASET_ERROR = 21
ONE_BIRTH = threading.Lock()
"""The nursery does not tell the children of several threads apart."""
AT_ONCE = 6
"""So many pairs side by side."""


class Pair:
    """Two runs with the same configuration, each in a folder of its own.

    Args:
        live: the server.
        daemons: with one dataset.
        delay: seconds between their starts.
        there: whether somebody has made the dataset before.
    """

    def __init__(
        self, live: LiveArgilla, daemons: Sequence[Daemon], delay: float, *, there: bool
    ) -> None:
        self._people = Neighbours(live, daemons[0].dataset)
        self._daemons = daemons
        self._delay = delay
        if there:
            self._people.make(QUESTION)
            self._people.settle()

    def tell(self) -> list[str]:
        """What was wrong, one line each."""
        try:
            return [f"{self._delay} s apart: {line}" for line in self._run()]
        finally:
            for daemon in self._daemons:
                daemon.kill()
            self._people.close()

    def _run(self) -> list[str]:
        for number, daemon in enumerate(self._daemons):
            time.sleep(self._delay if number else 0)
            with ONE_BIRTH:
                daemon.start()
        try:
            wait_for(lambda: len(self._ended()) > 0, 90)
        except TimeoutError:
            return ["both run"]
        loser = self._ended()[0]
        winner = next(daemon for daemon in self._daemons if daemon is not loser)
        try:
            winner.wait(_published, 60)
        except (RuntimeError, TimeoutError) as error:
            return [f"nobody runs: {error}: {loser.log[-600:]}"]
        time.sleep(2.0)
        return [*self._sentence(loser), *self._alone(winner, loser)]

    def _ended(self) -> list[Daemon]:
        return [one for one in self._daemons if one.process and one.process.poll() is not None]

    def _sentence(self, loser: Daemon) -> list[str]:
        lines = []
        if loser.process is not None and loser.process.poll() != DATASET_ERROR:
            lines.append(f"the other ended with {loser.process.poll()}: {loser.log[-600:]}")
        ends = [line for line in loser.log.splitlines() if line.startswith("loopd: ")]
        said = ends[-1] if ends else "nothing"
        if "another run" not in said or loser.dataset not in said:
            lines.append(f"the other says {said}")
        return lines

    def _alone(self, winner: Daemon, loser: Daemon) -> list[str]:
        """The dataset holds the winner's batch, and nothing of the other's."""
        lines = []
        if len(self._ended()) != 1:
            lines.append(f"the first has ended, too: {winner.log[-600:]}")
        if loser.state.published:
            lines.append("both have published")
        there = whole(self._people.owner, winner.dataset)
        marked = [one for one in there.records.values() if MARK in one.metadata] if there else []
        if len(marked) != BATCH:
            lines.append(f"{len(marked)} records of a run in the dataset")
        if len({one.metadata[MARK] for one in marked}) > 1:
            lines.append("records of two runs in the dataset")
        return lines + self._people.differences(Ours(TEXTS))


def _published(state: State) -> bool:
    return bool(state.published)


def told(live: LiveArgilla, make_daemon: MakeDaemon, delays: Sequence[float]) -> list[str]:
    pairs = []
    for number, delay in enumerate(delays):
        first = make_daemon(live, guests=False)
        second = make_daemon(live, argilla={"dataset": first.dataset})
        pairs.append(Pair(live, (first, second), delay, there=number % 2 == 1))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [line for lines in pool.map(Pair.tell, pairs) for line in lines]


def test_one_of_two_runs_and_the_other_says_why(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    lines = told(argilla, make_daemon, (0.0, 0.0, 0.3, 0.6, 3.0))
    assert not lines, "\n".join(lines)


@pytest.mark.slow
def test_one_of_two_runs_however_long_after_the_first_the_other_starts(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    """Thirty pairs, most of them close together: there is the danger."""
    delays = [60 * (number / 29) ** 2 for number in range(30)]
    lines = told(argilla, make_daemon, delays)
    assert not lines, "\n".join(lines)
