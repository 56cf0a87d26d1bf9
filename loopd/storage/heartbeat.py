"""Owns the sign of life of a daemon: a file whose time of change moves; must not say anything else.

It is moved by the loop itself and from inside long steps, never by a thread of its own: a loop that
hangs gives no sign.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from loopd.errors import StorageError
from loopd.storage.run_folder import HEARTBEAT_NAME

SECONDS = 2.0
"""Least time between two signs."""


class Heartbeat:
    """Moves the file, at most every ``SECONDS``.

    Args:
        folder: the run directory.
        monotonic: clock in seconds.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / HEARTBEAT_NAME
        self._monotonic = monotonic
        self._last = float("-inf")

    def beat(self) -> None:
        """Give a sign, unless one was given just now.

        Raises:
            StorageError: the run directory is gone or cannot be written.
        """
        now = self._monotonic()
        if now - self._last < SECONDS:
            return
        self._last = now
        try:
            self._path.touch(mode=0o600)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error}", "restore it") from error


def seconds_since(folder: Path, now: float) -> float | None:
    """Seconds since the last sign, ``None`` without any; ``now`` is a wall clock."""
    try:
        return max(0.0, now - (folder / HEARTBEAT_NAME).stat().st_mtime)
    except OSError:
        return None
