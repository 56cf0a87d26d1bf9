"""Owns when to read answers again: a cheap trigger, and a full look at a slower pace.

Must not interpret answers. What it remembers is only a short cut: a new watcher reads everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from loopd.annotation.store import AnnotationStore, Sweep

Found = TypeVar("Found")

AT_FULL_PACE = 4000
"""Records of the dataset up to which everything is read as often as configured."""


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


class AnswerWatcher:
    """Looks at a store without reading everything each time.

    Args:
        store: where people answer.
        sweep_interval: seconds between full sweeps; see :class:`Pace`.
        monotonic: clock in seconds.
    """

    def __init__(
        self, store: AnnotationStore, sweep_interval: float, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._pace = Pace(sweep_interval, monotonic)
        self._listed = 0

    def forget(self) -> None:
        """Let the next look read everything: of the last one nothing came."""
        self._pace.forget()

    def look(self, record_ids: Collection[str]) -> Sweep | None:
        """The answers on these records, or ``None`` when nothing can have changed.

        With many records the sweeps that nothing has triggered are fewer, so that an idle loop
        asks for as little as with few. Those of others in the dataset count: they are read too.
        """
        slower = max(1.0, len(record_ids) / AT_FULL_PACE, self._listed / AT_FULL_PACE)
        found = self._pace.look(self._store.activity, lambda: self._store.sweep(record_ids), slower)
        if found is not None:
            self._listed = found.listed
        return found
