"""Owns when to read answers again, and how much: a cheap trigger, partial looks and full ones.

Must not interpret answers. What it remembers is only a short cut: a new watcher reads everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loopd import log
from loopd.annotation.store import AnnotationStore, Sweep
from loopd.errors import ArgillaError, LoopdError, TransientError
from loopd.records import Batch, ExternalId

Found = TypeVar("Found")

AT_FULL_PACE = 4000
"""Records of the dataset up to which everything is read as often as configured."""

FULL_SHARE, PARTIAL_SHARE = 0.01, 0.05
"""Shares of the time in which the server may be busy with full looks, and with partial ones."""

DOUBT_SHARE = 0.2
"""Share of the time for full looks while only they can tell."""

LONGEST, LONGEST_SHARE = 600.0, 0.1
"""Seconds between two full looks at most; more where that would be a larger share of the time."""

GIVEN_UP_AFTER = 2
"""Partial looks that fail in succession until the open batches are taken for unreadable."""

RETRY = 60.0
"""Seconds until the open batches are tried again; twice as many each time, up to ``LONGEST``."""

BRIEF = 1.0
"""Seconds that a full look may take without being put off beyond the configured interval."""

SECONDS_A_LOOK, SECONDS_A_RECORD = 0.1, 0.002
"""What a look takes at most of a server that is at work; the rest of its time it was held up."""


class Pace:
    """When it is worth while to read everything; shared by the daemon and the listener.

    Args:
        interval: seconds after which everything is read even if the trigger did not move
            (bulk responses, new records and deleted records do not move it).
        monotonic: clock in seconds.
    """

    def __init__(self, interval: float, monotonic: Callable[[], float]) -> None:
        self._interval = interval
        self._monotonic = monotonic
        self._token: str | None = None
        self._read_at = float("-inf")

    def look(
        self, trigger: Callable[[], str], read: Callable[[], Found], slower: float = 1.0
    ) -> Found | None:
        """What ``read`` finds, or ``None`` when nothing can have changed.

        The trigger is read before the rest: what arrives in between moves it again. After a
        failure the next look reads everything.

        Args:
            trigger: gives a cheap token.
            read: reads everything.
            slower: multiplies the interval.
        """
        token = trigger()
        now = self._monotonic()
        if token == self._token and now - self._read_at < self._interval * slower:
            return None
        found = read()
        self._token, self._read_at = token, now
        return found

    def forget(self) -> None:
        """Let the next look read everything."""
        self._token = None


@dataclass(frozen=True, slots=True)
class _Look:
    """A look that succeeded.

    Attributes:
        began: seconds on the monotonic clock.
        seconds: for how long the server was busy with it.
        listed: records that were read.
        took: seconds in all, also those in which the server stood still.
    """

    began: float
    seconds: float
    listed: int
    took: float

    def next_at(self, share: float) -> float:
        """When looks like it have taken no more than this share of the time."""
        return self.began + self.seconds / share

    @property
    def again_in_doubt(self) -> float:
        """When the next one may come while only that can tell: a server in trouble gets a rest."""
        return self.began + self.took / DOUBT_SHARE


class AnswerWatcher:
    """Looks at a store without reading everything each time.

    When somebody has answered, everything is read if that takes little enough of the server's time;
    else only what is likely to have changed: the open batches. Everything is read now and then all
    the same, since only that shows what was deleted, taken back, or edited in older batches. It is
    read more often while the open batches cannot be read alone.

    Args:
        store: where people answer.
        sweep_interval: seconds between full looks; longer where there are many records.
        monotonic: clock in seconds.
    """

    def __init__(
        self, store: AnnotationStore, sweep_interval: float, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._interval = sweep_interval
        self._monotonic = monotonic
        self._token: str | None = None
        self._full: _Look | None = None
        self._partial: _Look | None = None
        self._last_was_partial = False
        self._in_doubt = False
        self._partial_failures = 0
        self._retry_at = float("-inf")
        self._said = False

    @property
    def _is_blind(self) -> bool:
        """Whether the open batches cannot be read alone, as far as that is known."""
        return self._partial_failures >= GIVEN_UP_AFTER

    def doubt(self) -> None:
        """Let the next full look come soon: something may be gone that only it can tell."""
        self._in_doubt = True

    @property
    def delay(self) -> float:
        """Seconds from one look at the open batches to the next, at least; 0 before the first."""
        if self._is_blind and self._full is not None:
            return self._full.took / DOUBT_SHARE
        return 0.0 if self._partial is None else self._partial.seconds / PARTIAL_SHARE

    def forget(self) -> None:
        """Let the next look read again what the last one did: nothing came of that."""
        self._token = None
        if self._last_was_partial:
            self._partial = None
        else:
            self._full = None

    def look(
        self, external_ids: Collection[ExternalId], batches: Sequence[Batch] = ()
    ) -> Sweep | None:
        """The answers on these records, or ``None`` when nothing is to be read now.

        The trigger is read before the rest: what arrives in between moves it again. After a failure
        the next look reads what this one was to read.

        Args:
            external_ids: of everything that the run has published.
            batches: those in which people are at work; without any every look is full.
        """
        token, now = self._store.activity(), self._monotonic()
        has_moved = token != self._token
        if self._full_is_due(now, len(external_ids), has_moved) or (has_moved and not batches):
            return self._read_all(external_ids, token, now)
        if not has_moved or not self._partial_may_come(now):
            return None
        sweep = self._read_batches(batches)
        if sweep is not None:
            self._partial = self._ended(now, sweep)
            self._token, self._last_was_partial = token, True
        return sweep

    def look_at_all(self, external_ids: Collection[ExternalId]) -> Sweep:
        """The answers on these records, read now: nothing may be overlooked."""
        return self._read_all(external_ids, self._store.activity(), self._monotonic())

    def glance(self, batches: Sequence[Batch]) -> Sweep:
        """The answers in these batches, read now; nothing is remembered of it."""
        return self._store.sweep_batches(batches)

    def _read_all(self, external_ids: Collection[ExternalId], token: str, now: float) -> Sweep:
        sweep = self._store.sweep(external_ids)
        self._full = self._ended(now, sweep)
        self._token, self._last_was_partial = token, False
        self._in_doubt = False
        return sweep

    def _read_batches(self, batches: Sequence[Batch]) -> Sweep | None:
        """``None`` where that fails again: what keeps a search from being answered may last.

        It is tried again ever more seldom; full looks come the sooner for it.
        """
        try:
            sweep = self._store.sweep_batches(batches)
            self._partial_failures, self._said = 0, False
            return sweep
        except (TransientError, ArgillaError) as error:
            self._partial_failures += 1
            if not self._is_blind and isinstance(error, TransientError):
                raise
            self._partial_failures = max(self._partial_failures, GIVEN_UP_AFTER)
            pause = RETRY * 2.0 ** min(self._partial_failures - GIVEN_UP_AFTER, 20)
            self._retry_at = self._monotonic() + min(pause, LONGEST)
            self._say_unreadable(error)
            return None

    def _say_unreadable(self, error: LoopdError) -> None:
        """Once, until the open batches were read again."""
        if not self._said:
            log.get("loop").warning(
                "open_batches_not_read",
                problem=error.message,
                hint="all records are read instead, as often as the server can afford it",
            )
        self._said = True

    def _full_is_due(self, now: float, records: int, has_moved: bool) -> bool:
        """Whether it is time to read everything.

        With many records, those of others included, that happens more seldom. It comes before its
        time where something has changed since and the server is not kept from people by it.
        """
        last = self._full
        if last is None:
            return True
        slower = max(1.0, records / AT_FULL_PACE, last.listed / AT_FULL_PACE)
        affordable, due = last.next_at(FULL_SHARE), last.began + self._interval * slower
        if last.seconds > BRIEF:
            due = max(due, affordable)
        longest = max(last.began + max(LONGEST, self._interval), last.next_at(LONGEST_SHARE))
        due = min(due, longest)
        if has_moved or self._last_was_partial:
            due = min(due, affordable)
        if self._in_doubt or (self._is_blind and has_moved):
            due = min(due, last.again_in_doubt)
        return now >= due

    def _partial_may_come(self, now: float) -> bool:
        if self._is_blind:
            return now >= self._retry_at
        return self._partial is None or now >= self._partial.next_at(PARTIAL_SHARE)

    def _ended(self, began: float, sweep: Sweep) -> _Look:
        most, took = SECONDS_A_LOOK + SECONDS_A_RECORD * sweep.listed, self._monotonic() - began
        return _Look(began, min(took, most), sweep.listed, took)
