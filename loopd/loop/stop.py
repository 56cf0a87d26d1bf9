"""Owns the wish to stop: a flag that signals set and every wait listens to."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Set once, by a signal or by a caller; waits end at once.

    A pipe and not a ``threading.Event``: a signal handler that sets an event can dead-lock with
    the ``wait`` that it interrupts, because both take the event's lock.
    """

    def __init__(self) -> None:
        self._wanted = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def set(self) -> None:
        """Ask the loop to end after the present step; may be called from a signal handler."""
        if not self._wanted:
            self._wanted = True
            os.write(self._writer, b".")

    def is_set(self) -> bool:
        """Whether the loop was asked to end."""
        return self._wanted

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the wish is there; returns whether it is."""
        select.select([self._reader], [], [], max(0.0, seconds))
        return self._wanted


@contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM set the flag; a second one acts as if loopd had no handler."""

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
