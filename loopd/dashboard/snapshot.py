"""Owns the present moment of a run for other threads: one snapshot, replaced as a whole.

Must not compute anything that takes long: it keeps the loop waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loopd.config import Config
from loopd.dashboard.error_counts import ErrorCounts
from loopd.dashboard.event_totals import EventTotals, totals
from loopd.data.pool import Pool
from loopd.errors import LoopdError
from loopd.events import Event
from loopd.loop.observers import RunView
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.overview.cautions import Outage
from loopd.storage.recorded_run import RecordedRun


def _nowhere() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class PageSource:
    """What the page needs besides the journal.

    Attributes:
        config: now in force.
        pool: the texts; those of records that it lacks are shown empty.
        describe: gives the page of a dataset that is its own pool, empty where nobody knows it.
    """

    config: Config
    pool: Pool
    describe: Callable[[], str] = _nowhere


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The run at one moment; everything in it is immutable.

    Attributes:
        version: grows with every change.
        state: what the journal says.
        sums: over all events.
        errors: by kind.
        outage: that goes on, ``None`` without one.
        failure: what the daemon ended with, empty where it did not.
        over: whether the daemon has ended.
        notes: what else somebody who looks should know, one sentence each.
    """

    version: int = 0
    state: State = field(default_factory=State)
    sums: EventTotals = field(default_factory=EventTotals)
    errors: Mapping[str, int] = field(default_factory=dict)
    outage: Outage | None = None
    failure: str = ""
    over: bool = False
    notes: tuple[str, ...] = ()


class SnapshotHolder:
    """An onlooker that keeps the present snapshot; read from any thread, moved by the loop's.

    Args:
        changed: called after each change, from the loop's thread; must be quick.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._changed = changed
        self._clock = clock
        self.snapshot = Snapshot()
        self.began_at = clock()
        """When this process began, seconds since 1970."""
        self.source: PageSource | None = None
        """Of the run; ``None`` before it began."""
        self._errors: ErrorCounts | None = None
        self._tools: Tools | None = None

    def began(self, run_view: RunView) -> None:
        """Count what the journal holds."""
        tools = self._tools = run_view.tools
        describe = _nowhere if tools.config.pool.argilla is None else tools.store.describe
        self.source = PageSource(tools.config, tools.data.pool, describe)
        self._errors = ErrorCounts(tools.config.run.dir)
        self._move(state=run_view.state, sums=totals(run_view.events), errors=self._errors.counts)

    def read(self, source: PageSource, run: RecordedRun, notes: Sequence[str] = ()) -> None:
        """Show what a journal says by now, in the place of whatever was shown."""
        self.source = source
        self._move(state=run.state, sums=totals(run.events), over=True, notes=tuple(notes))

    def saw(self, event: Event, state: State) -> None:
        """One event further; texts that joined are shown, too."""
        if self.source is not None and self._tools is not None:
            pool = self._tools.data.pool
            if self.source.pool is not pool:  # it grew, or lies on disk now
                self.source = replace(self.source, pool=pool)
        self._move(state=state, sums=self.snapshot.sums.after(event))

    def waits(self, failure: LoopdError) -> None:
        """An outage begins or goes on."""
        before = self.snapshot.outage
        since = self._clock() if before is None else before.since
        self._count(failure)
        self._move(outage=Outage(since, failure.message))

    def reached(self) -> None:
        """The outage is over."""
        self._move(outage=None)

    def ended(self, failure: Exception | None) -> None:
        """The daemon ends."""
        if failure is not None:
            self._count(failure)
        self._move(failure="" if failure is None else str(failure), over=True)

    def close(self) -> None:
        """Nothing to release."""

    def _count(self, failure: Exception) -> None:
        if self._errors is not None:
            self._errors.add(failure)
            self._move(errors=self._errors.counts)

    def _move(self, **changes: object) -> None:
        version = self.snapshot.version + 1
        self.snapshot = replace(self.snapshot, version=version, **changes)  # type: ignore[arg-type]
        self._changed()
