"""What goes wrong and when, all of it from one seed: kills, outages, a full disk, a clock."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopd.errors import TransientError
from loopd.storage import files

OUTAGE_BEFORE, OUTAGE_AFTER = "outage before", "outage after"
KILL_BEFORE, KILL_AFTER = "kill before", "kill after"
KILL_BETWEEN, OUTAGE_BETWEEN = "kill between", "outage between"
DISK = "disk"

HOUR = 3600.0


class Killed(BaseException):
    """SIGKILL: nothing that catches ``Exception`` may survive it."""


class Clock:
    """A wall clock that jumps beside a monotonic one that does not."""

    def __init__(self) -> None:
        self._monotonic = 1000.0
        self._shift = 1.7e9

    def wall(self) -> float:
        return self._monotonic + self._shift

    def monotonic(self) -> float:
        return self._monotonic

    def pass_(self, seconds: float) -> None:
        """So much time goes by."""
        self._monotonic += max(0.0, seconds)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._shift += seconds


class Weather:
    """Strikes at random while it is not ``calm``, at most ``left`` times.

    Args:
        rng: the only source of randomness.
        faults: how many at most.
        rate: how likely each opportunity is used.
        clock: jumps now and then where ``jumps``.
    """

    def __init__(
        self, rng: random.Random, faults: int, rate: float, clock: Clock, *, jumps: bool
    ) -> None:
        self._rng = rng
        self._rate = rate
        self._jumps = jumps
        self.clock = clock
        self.left = faults
        self.calm = False
        self.full = False
        self.struck: list[str] = []

    def strikes(self, where: str, *ways: str) -> str | None:
        """The way in which it strikes now, mostly ``None``."""
        if self.calm or self.left <= 0 or self._rng.random() >= self._rate:
            return None
        way = self._rng.choice(ways)
        self.left -= 1
        self.struck.append(f"{way} {where}")
        return way

    def maybe_jump(self) -> None:
        """The wall clock may be set, forth or back."""
        if self._jumps and not self.calm and self._rng.random() < 0.1:
            self.clock.jump(self._rng.uniform(-12, 12) * HOUR)

    def around(self, where: str, action: Callable[[], Any]) -> Any:
        """Do it in this weather: an outage or a kill may come before or after the effect."""
        way = self.strikes(where, OUTAGE_BEFORE, OUTAGE_AFTER, KILL_BEFORE, KILL_AFTER)
        if way == OUTAGE_BEFORE:
            raise TransientError(f"{where}: no answer")
        if way == KILL_BEFORE:
            raise Killed(where)
        result = action()
        if way == OUTAGE_AFTER:
            raise TransientError(f"{where}: the answer was lost")
        if way == KILL_AFTER:
            raise Killed(where)
        return result

    def fill_disk(self, journal: sqlite3.Connection) -> None:
        """From now on no file grows: the journal by SQLite's own limit, others by ``full_disk``."""
        self.full = True
        pages = journal.execute("PRAGMA page_count").fetchone()[0]
        journal.execute(f"PRAGMA max_page_count={pages}")


@contextmanager
def full_disk(weather: Weather) -> Iterator[None]:
    """Writing of whole files fails half-way while the weather's disk is full; kills strike too."""
    real = files.whole_file

    @contextmanager
    def whole_file(path: Path, mode: int = files.PRIVATE) -> Iterator[Path]:
        way = None if weather.full else weather.strikes(path.name, KILL_BEFORE, KILL_AFTER)
        if way == KILL_BEFORE:
            raise Killed(path.name)
        with real(path, mode) as unfinished:
            yield unfinished
            if weather.full:
                os.truncate(unfinished, unfinished.stat().st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if way == KILL_AFTER:
            raise Killed(path.name)

    files.whole_file = whole_file
    try:
        yield
    finally:
        files.whole_file = real
