"""Owns how far a backtest is and how long it will take; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from loopd.config import Config


def planned_rounds(config: Config) -> int | None:
    """Rounds of a run by its limits, ``None`` where only a criterion or the pool ends it."""
    limits = []
    if config.stopping.max_rounds is not None:
        limits.append(config.stopping.max_rounds)
    if config.stopping.label_budget is not None:
        later = max(0, config.stopping.label_budget - config.queue.first_size)
        limits.append(1 + -(-later // config.queue.batch_size))
    return min(limits, default=None)


@dataclass
class Forecast:
    """Counts rounds and their seconds by arm.

    Attributes:
        jobs: runs at the same time.
        rounds: rounds that each run (arm, seed) will have; ``None``: nobody knows.
    """

    jobs: int
    rounds: dict[tuple[str, int], int | None]
    _done: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, run: tuple[str, int], seconds: float) -> None:
        """A round of a run is done and took so long."""
        self._done[run] += 1
        self._seconds[run[0]].append(seconds)

    def end(self, run: tuple[str, int]) -> None:
        """A run is done, whatever was planned."""
        self.rounds[run] = self._done[run]

    @property
    def done(self) -> str:
        """Rounds so far, of how many."""
        so_far = sum(self._done.values())
        planned = [rounds for rounds in self.rounds.values() if rounds is not None]
        return f"{so_far}/{sum(planned)}" if len(planned) == len(self.rounds) else str(so_far)

    @property
    def left(self) -> str:
        """Time left in words, from the mean round of each arm; ``?`` where nobody knows."""
        every = [value for values in self._seconds.values() for value in values]
        if not every or None in self.rounds.values():
            return "?"
        total = 0.0
        for run, rounds in self.rounds.items():
            seconds = self._seconds.get(run[0]) or every
            total += max(0, (rounds or 0) - self._done[run]) * sum(seconds) / len(seconds)
        return duration(total / self.jobs)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
