"""Owns what simulated people share: who holds which record, what was done, when to go home.

Must not talk to Argilla. Every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from loopd.errors import LoopdError


@dataclass(frozen=True, slots=True)
class OracleReport:
    """What the simulated people did.

    Attributes:
        people: names of the accounts.
        submitted: answers with a label.
        wrong: those of them with a wrong label for good.
        discarded: records discarded on purpose.
        corrected: answers that were edited afterwards.
        unknown: records discarded because no right label is known.
        gone: records that vanished before the answer arrived.
        outages: how often Argilla could not be reached.
    """

    people: tuple[str, ...] = ()
    submitted: int = 0
    wrong: int = 0
    discarded: int = 0
    corrected: int = 0
    unknown: int = 0
    gone: int = 0
    outages: int = 0

    def line(self) -> str:
        """The counts that are not zero, for people."""
        names = ("discarded", "corrected", "wrong", "unknown", "gone", "outages")
        extra = [f"{getattr(self, name)} {name}" for name in names if getattr(self, name)]
        return ", ".join([f"{self.submitted} answers", *extra])


class OracleCoordinator:
    """The room where the simulated people sit.

    Args:
        report: called with one line for people about everything notable.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._holders: dict[str, set[str]] = {}
        self._readers: dict[str, set[str]] = {}
        self._counts: Counter[str] = Counter()
        self._said = ""
        self._idle_since: dict[str, float] = {}
        self._error: LoopdError | None = None
        self.people: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether everybody must go home."""
        return self._closed.is_set()

    @property
    def error(self) -> LoopdError | None:
        """The first error that closed the room."""
        return self._error

    def close(self, error: LoopdError | None = None) -> None:
        """Send everybody home, because of an error where there is one."""
        with self._lock:
            self._error = self._error or error
        self._closed.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long or until the room closes; returns whether it did."""
        return self._closed.wait(seconds)

    def take(self, record_id: str, person: str, needed: int) -> bool:
        """Take a record unless as many others as it needs answers hold it or have answered it."""
        with self._lock:
            holders = self._holders.setdefault(record_id, set())
            if person in holders or len(holders) >= needed:
                return False
            holders.add(person)
            return True

    def has_read(self, text_id: str, person: str) -> None:
        """Note that a person has given an opinion of a text."""
        with self._lock:
            self._readers.setdefault(text_id, set()).add(person)

    def is_for(self, text_id: str, person: str) -> bool:
        """Whether a person should give a second opinion of a text.

        Those who gave their first leave it to others, as long as there are any.
        """
        with self._lock:
            readers = self._readers.get(text_id, set())
            return person not in readers or readers >= set(self.people)

    def put_back(self, record_id: str, person: str) -> None:
        """Give up a record: others may take it."""
        with self._lock:
            self._holders.get(record_id, set()).discard(person)

    def count(self, *names: str) -> None:
        """Add one to each of these counts of the report."""
        with self._lock:
            self._counts.update(names)

    def rest(self, person: str, idle: bool) -> None:
        """Note that a person found nothing to do, or is at work."""
        with self._lock:
            if idle:
                self._idle_since.setdefault(person, time.monotonic())
            else:
                self._idle_since.pop(person, None)

    @property
    def idle_seconds(self) -> float:
        """Seconds for which all people have had nothing to do; 0 while anybody is at work."""
        with self._lock:
            if not self.people or len(self._idle_since) < len(self.people):
                return 0.0
            return time.monotonic() - max(self._idle_since.values())

    def summary(self) -> OracleReport:
        """What was done so far."""
        with self._lock:
            return OracleReport(self.people, **self._counts)

    def say(self, line: str) -> None:
        """Report a line, unless it is the same as the last one."""
        with self._lock:
            if line == self._said:
                return
            self._said = line
        self._report(line)
