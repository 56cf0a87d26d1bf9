"""Owns the check that records which wait for people can be answered, and mends those that cannot.

Such a record is not in the search by which people's page finds it, or it is completed in Argilla
without the answers for it: its document was lost, or an account was deleted. It is published again,
ever more seldom where that does not help. Must not read answers, nor keep the loop from it: where
the search or a write fails, the look is put off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from loopd import log
from loopd.annotation.store import AnnotationStore
from loopd.errors import ArgillaError, TransientError
from loopd.events import RecordsReopened
from loopd.machine import State
from loopd.records import Batch, ExternalId

SOON = 5.0
"""Seconds until the next look while something is hidden; twice as many each time."""

LONGEST = 3600.0
"""Seconds between two attempts with one record, at most."""

TOGETHER = 200
"""Records that are published again in one request; an eighth of that where one has failed."""

SAID_AFTER = 2
"""Attempts after which it is said that they do not help."""

AT_FULL_PACE = 4000
"""Waiting records up to which all are looked for as often as configured."""

SHOWN = 5
"""Ids that a log line lists."""


@dataclass(frozen=True, slots=True)
class _Attempts:
    """What is known of a hidden record.

    Attributes:
        count: how often it was tried to publish it again.
        failures: how often Argilla has failed at that.
        not_before: when it may be tried next, on the monotonic clock.
    """

    count: int = 0
    failures: int = 0
    not_before: float = float("-inf")


class VisibilityCheck:
    """Remembers which records are hidden, and how often they were published again.

    Args:
        store: where people answer; ``None`` looks for nothing.
        interval: seconds between two looks while all is well.
        monotonic: clock in seconds.
    """

    def __init__(
        self,
        store: AnnotationStore | None = None,
        interval: float = 30.0,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._store = store
        self._interval = interval
        self._monotonic = monotonic
        self._next_look = float("-inf")
        self._pause = SOON
        self._attempts: dict[ExternalId, _Attempts] = {}
        self._said: frozenset[ExternalId] = frozenset()
        self._search_fails = False
        self.may_be_gone = False
        """Whether the last look met records for the first time that did not open again."""

    def soon(self) -> None:
        """Let the next look come at once."""
        self._next_look, self._pause = float("-inf"), SOON

    def unseen(self, batch: Batch) -> frozenset[ExternalId]:
        """External ids of a batch that the search does not find; all of them while it fails."""
        if self._store is None:
            return frozenset()
        visible = self._visible(self._store, (batch,), open_only=False)
        return frozenset(batch.external_ids) - (visible or frozenset())

    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._store is not None and self._monotonic() >= self._next_look

    def look(
        self, state: State, waiting: Collection[ExternalId], now: float
    ) -> RecordsReopened | None:
        """Publish again what nobody can answer, if it is time to look.

        Args:
            state: what the journal says.
            waiting: external ids that wait for somebody.
            now: wall clock in seconds.
        """
        self.may_be_gone = False
        if self._store is None or not waiting or not self.is_due():
            return None
        batches = _parts(state.batches, waiting)
        visible = self._visible(self._store, batches, open_only=True)
        if visible is None:
            self._rest(len(waiting), in_order=False)
            return None
        hidden = frozenset(waiting) - visible
        self._attempts = {id_: one for id_, one in self._attempts.items() if id_ in hidden}
        tried_before = set(self._attempts)
        reopened = self._reopen(self._store, batches, hidden)
        self.may_be_gone = not (self._attempts.keys() - reopened) <= tried_before
        self._say()
        self._rest(len(waiting), in_order=not hidden)
        return RecordsReopened(now, tuple(sorted(reopened))) if reopened else None

    # -- looking -------------------------------------------------------------------------------

    def _visible(
        self, store: AnnotationStore, batches: Sequence[Batch], *, open_only: bool
    ) -> frozenset[ExternalId] | None:
        """What the search finds, ``None`` while it fails."""
        try:
            visible = store.visible(batches, open_only=open_only)
        except (TransientError, ArgillaError) as error:
            self._say_search(error.message)
            return None
        self._say_search(None)
        return visible

    def _rest(self, waiting: int, *, in_order: bool) -> None:
        """Put the next look off: for long while all is well, else for ever longer."""
        longest = self._interval * max(1.0, waiting / AT_FULL_PACE)
        pause = longest if in_order else min(self._pause, longest)
        self._pause = SOON if in_order else 2 * pause
        self._next_look = self._monotonic() + pause

    # -- publishing again ----------------------------------------------------------------------

    def _reopen(
        self, store: AnnotationStore, batches: Sequence[Batch], hidden: Collection[ExternalId]
    ) -> set[ExternalId]:
        """External ids of those that Argilla takes for open then."""
        reopened: set[ExternalId] = set()
        for some in self._due(hidden):
            try:
                reopened |= store.reopen(_parts(batches, some))
            except (TransientError, ArgillaError):
                self._note(some, failures=1)
                break  # it is away, or fails at one of them: see `_due`
            self._note(some)
        return reopened

    def _due(self, hidden: Collection[ExternalId]) -> Iterator[list[ExternalId]]:
        """What may be published again now, in parts for one request.

        The parts become smaller: one record that Argilla fails at must not keep others back.
        """
        now, by_failures = self._monotonic(), dict[int, list[ExternalId]]()
        for id_ in sorted(hidden):
            attempts = self._attempts.get(id_, _Attempts())
            if attempts.not_before <= now:
                by_failures.setdefault(attempts.failures, []).append(id_)
        for failures, ids in sorted(by_failures.items()):
            size = max(1, TOGETHER >> 3 * failures)
            yield from (ids[start : start + size] for start in range(0, len(ids), size))

    def _note(self, ids: Collection[ExternalId], failures: int = 0) -> None:
        """One more attempt with these."""
        for id_ in ids:
            before = self._attempts.get(id_, _Attempts())
            pause = min(LONGEST, self._interval * 2.0 ** min(before.count, 30))
            self._attempts[id_] = _Attempts(
                before.count + 1, before.failures + failures, self._monotonic() + pause
            )

    # -- saying --------------------------------------------------------------------------------

    def _say(self) -> None:
        """Which records nobody can answer although they were published again; once for each."""
        stuck = frozenset(
            id_ for id_, attempts in self._attempts.items() if attempts.count > SAID_AFTER
        )
        if stuck - self._said:
            log.get("loop").warning(
                "records_cannot_be_answered",
                count=len(stuck),
                records=sorted(stuck)[:SHOWN],
                hint="Argilla's search does not find them, or shows them as completed, and it did "
                "not help to publish them again; loopd goes on trying, ever more seldom: see the "
                "log of Argilla, and whether the disk of its index is full",
            )
        self._said = stuck

    def _say_search(self, problem: str | None) -> None:
        """That the search fails, or works again; once each."""
        if problem is not None and not self._search_fails:
            log.get("loop").warning(
                "search_fails",
                problem=problem,
                hint="people's page finds no records without it; answers are read all the same",
            )
        elif problem is None and self._search_fails:
            log.get("loop").info("search_works_again")
        self._search_fails = problem is not None


def _parts(batches: Sequence[Batch], ids: Collection[ExternalId]) -> tuple[Batch, ...]:
    """The batches with these records alone."""
    kept = frozenset(ids)
    parts = (
        replace(batch, items=tuple(item for item in batch.items if item.external_id in kept))
        for batch in batches
    )
    return tuple(part for part in parts if part.items)
