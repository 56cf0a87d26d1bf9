"""Owns the live console of a run: a part of the terminal that is drawn anew, the log above it.

Must not keep the run waiting, and never harms it: it is one who looks on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from loopd.console.drawn import Drawn
from loopd.console.screen import Frame, Work, run_lines
from loopd.data.pool import Pool
from loopd.errors import LoopdError
from loopd.events import Event
from loopd.loop.observers import RunView
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log import writer as metrics_log
from loopd.overview.cautions import Outage
from loopd.overview.overview import LiveContext, Overview, overview
from loopd.overview.people import kept_names
from loopd.overview.terminal import Look
from loopd.storage.run_folder import PAGE_NAME

STALE = 1.0
"""Seconds after which what is seen of a run is worked out anew, though nothing has happened."""


class RunConsole:
    """Shows a run on a terminal; it is an :class:`~loopd.loop.observers.Observer`.

    Args:
        stream: the terminal.
        clock: seconds since 1970.
        ends_with_run: whether it goes away with the run, and others say what comes next.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.time,
        *,
        ends_with_run: bool = False,
    ) -> None:
        self._ends_with_run = ends_with_run
        self.drawn = Drawn(stream, self._lines)
        self._clock, self._begun = clock, clock()
        self._state: State | None = None
        self._changes = 0
        self._tools: Tools | None = None
        self._work: tuple[str, int, int, float] | None = None
        self._outage: Outage | None = None
        self._failure = ""
        self._seen: tuple[tuple[object, ...], Overview] | None = None

    def progress(self, what: str, done: int, total: int) -> None:
        """A long step is so far; it goes away when it is done."""
        self.drawn.start()
        now = self._clock()
        before = self._work
        begun = before[3] if before is not None and before[0] == what and before[1] <= done else now
        self._work = (what, done, total, begun) if done < total else None

    # -- what happens ------------------------------------------------------------------------------

    def began(self, run_view: RunView) -> None:
        """Show this run."""
        self.drawn.start()
        self._tools, self._state = run_view.tools, run_view.state
        self._failure, self._changes = "", self._changes + 1

    def saw(self, event: Event, state: State) -> None:  # noqa: ARG002 - an observer's
        """Show this state."""
        self._state, self._work, self._changes = state, None, self._changes + 1

    def waits(self, failure: LoopdError) -> None:
        """Show that Argilla is away."""
        since = self._clock() if self._outage is None else self._outage.since
        self._outage = Outage(since, failure.message)

    def reached(self) -> None:
        """Argilla is there again."""
        self._outage = None

    def ended(self, failure: Exception | None) -> None:
        """Show why, if it is an error."""
        self._failure = "" if failure is None else str(failure)
        self._work = None

    def close(self) -> None:
        """Go away, or stay for what comes next."""
        if self._ends_with_run:
            self.drawn.stop()

    # -- what is shown -----------------------------------------------------------------------------

    def _lines(self, look: Look, height: int) -> list[str]:
        work, now, tools = self._work, self._clock(), self._tools
        frame = Frame(
            seen=self._overview(now),
            work=None if work is None else Work(*work[:3], now - work[3]),
            address=self._address(),
            page=self._page(),
            seconds=now - self._begun,
            stopping=tools is not None and tools.pause(0.0),
        )
        return list(run_lines(frame, look, height))

    def _overview(self, now: float) -> Overview | None:
        tools, state = self._tools, self._state
        if tools is None or state is None:
            return None
        key = (self._changes, self._outage, self._failure, now // STALE)
        if self._seen is None or self._seen[0] != key:
            live = LiveContext(
                self._address(), kept_names(tools.config.run.dir), self._outage, self._failure
            )
            rows = metrics_log.rows(state)
            seen = overview(state, tools.config, Pool(()), rows, now, live=live)
            self._seen = (key, replace(seen, next=()) if self._ends_with_run else seen)
        return self._seen[1]

    def _address(self) -> str:
        tools, state = self._tools, self._state
        is_out = tools is not None and state is not None and state.published
        return tools.store.describe() if is_out and tools is not None else ""

    def _page(self) -> str:
        if self._tools is None:
            return ""
        try:
            return (self._tools.config.run.dir / PAGE_NAME).read_text(encoding="utf-8").strip()
        except OSError:
            return ""
