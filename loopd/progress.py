"""Owns progress bars on a terminal; must not be used where nobody looks."""

from __future__ import annotations

import os
from typing import TextIO

from tqdm import tqdm


def can_draw(stream: TextIO | None) -> bool:
    """Whether somebody looks at the stream, at a terminal that can go back in its lines."""
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False
    return is_terminal and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class TerminalProgress:
    """Shows one bar at a time on stderr; call it with (what, done, total)."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``; it goes away when it is full."""
        if self._bar is None or what != self._what:
            self._finish()
            self._bar, self._what = tqdm(total=total, desc=what, leave=False), what
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
