"""Owns who looks on while the daemon runs, and that none of them can harm it.

Must not know any one onlooker: pages, tallies and sinks live above and come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from loopd import log
from loopd.errors import Interrupted, LoopdError
from loopd.events import Event
from loopd.loop.tools import Tools
from loopd.machine import State


@dataclass(frozen=True, slots=True)
class RunView:
    """What an onlooker is shown first.

    Attributes:
        state: what the journal says; ``Phase.NEW`` for a run that has not begun.
        events: everything in the journal, in order, of which ``state`` is the fold.
        tools: the parts of the loop, to be looked at only. Argilla has not answered yet.
    """

    state: State
    events: Sequence[Event]
    tools: Tools


class Observer(Protocol):
    """Something that watches a run; all is called from the loop's own thread, in this order.

    Every call keeps the loop waiting, so it must be short, or hand its work to a thread. One that
    raises is left out from then on; the run goes on.
    """

    def began(self, run_view: RunView) -> None:
        """The process works on this run."""

    def saw(self, event: Event, state: State) -> None:
        """The event is in the journal, and this is the state after it."""

    def waits(self, failure: LoopdError) -> None:
        """An attempt failed and is repeated; called after each failed attempt."""

    def reached(self) -> None:
        """An attempt went well after at least one that had failed."""

    def ended(self, failure: Exception | None) -> None:
        """The daemon ends: by itself or because it was asked to (``None``), or with an error."""

    def close(self) -> None:
        """Release everything; always called, and the last call, even if nothing ever began."""


class Observers:
    """All onlookers of one run.

    Args:
        observers: who looks on, in the order in which they are told.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._watching = list(observers)

    @contextmanager
    def watching(
        self, run_view: RunView, asked_for: Callable[[Exception], bool] = lambda _: False
    ) -> Iterator[None]:
        """The run, from :meth:`Observer.began` to :meth:`Observer.ended`.

        Args:
            run_view: what they are shown first.
            asked_for: whether an error is nothing but a stop that was asked for.
        """
        self._tell(lambda observer: observer.began(run_view))
        try:
            yield
        except Exception as error:
            failure = None if asked_for(error) else error
            self._tell(lambda each: each.ended(failure))
            raise
        self._tell(lambda each: each.ended(None))

    def saw(self, event: Event, state: State) -> None:
        """See :meth:`Observer.saw`."""
        self._tell(lambda observer: observer.saw(event, state))

    def waits(self, failure: LoopdError) -> None:
        """See :meth:`Observer.waits`."""
        self._tell(lambda observer: observer.waits(failure))

    def reached(self) -> None:
        """See :meth:`Observer.reached`."""
        self._tell(lambda observer: observer.reached())

    def close(self) -> None:
        """See :meth:`Observer.close`."""
        self._tell(lambda observer: observer.close())

    def _tell(self, telling: Callable[[Observer], None]) -> None:
        for observer in tuple(self._watching):
            try:
                telling(observer)
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - the run matters more than who looks on
                self._leave_out(observer, error)

    def _leave_out(self, observer: Observer, error: Exception) -> None:
        self._watching.remove(observer)
        log.get("loop").warning(
            "onlooker_left_out",
            onlooker=type(observer).__name__,
            problem=f"{type(error).__name__}: {error}",
        )
        with suppress(Exception):  # it is broken, and that was said
            observer.close()
