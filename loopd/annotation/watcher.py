"""Owns when to read answers again: a cheap trigger, and a full sweep at a slower pace.

Must not interpret answers. What it remembers is only a short cut: a new watcher reads everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from loopd.annotation.store import AnnotationStore, Sweep


class AnswerWatcher:
    """Looks at a store without reading everything each time.

    Args:
        store: where people answer.
        sweep_interval: seconds after which everything is read even if the trigger did not move
            (bulk responses and deleted records do not move it).
        monotonic: clock in seconds.
    """

    def __init__(
        self, store: AnnotationStore, sweep_interval: float, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._interval = sweep_interval
        self._monotonic = monotonic
        self._token: str | None = None
        self._swept_at = float("-inf")

    def look(self, record_ids: Collection[str]) -> Sweep | None:
        """The answers on these records, or ``None`` when nothing can have changed.

        The trigger is read before the answers: what arrives in between moves it again.
        """
        token = self._store.activity()
        now = self._monotonic()
        if token == self._token and now - self._swept_at < self._interval:
            return None
        sweep = self._store.sweep(record_ids)
        self._token, self._swept_at = token, now
        return sweep
