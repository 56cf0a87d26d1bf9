"""Owns the loop: look at the state, do the one step of the phase, write down what happened.

Must not know signals, files or servers; those come in through its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from loopd import log
from loopd.errors import Interrupted, TransientError
from loopd.loop.retry import delays
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools
from loopd.machine import Event, Phase, State, apply

Result = TypeVar("Result")
Write = Callable[[Event, State], None]
"""Called with each event and the state after it; must be durable when it returns."""


@dataclass(frozen=True, slots=True)
class Loop:
    """The running loop.

    Attributes:
        tools: everything a step may use.
        stop: the wish to end.
        write: makes an event durable.
    """

    tools: Tools
    stop: Stop
    write: Write
    beat: Callable[[], None] = lambda: None
    """Called whenever the loop turns: its sign of life."""

    def run(self, state: State) -> State:
        """Step until the run is done or a stop is asked for; returns the state then."""
        while state.phase is not Phase.DONE and not self.stop.is_set():
            self.beat()
            try:
                event = self._step(state)
            except Interrupted:
                break
            if event is not None:
                state = self.record(state, event)
            elif not self.stop.is_set():
                self.stop.wait(self.tools.config.queue.poll_interval)
        return state

    def record(self, state: State, event: Event) -> State:
        """Fold an event and make it durable."""
        after = apply(state, event)
        self.write(event, after)
        return after

    def _step(self, state: State) -> Event | None:
        def attempt() -> Event | None:
            return STEPS[state.phase](state, self.tools)

        return self.patiently(attempt)

    def patiently(self, action: Callable[[], Result]) -> Result | None:
        """Repeat the action while it fails transiently; ``None`` if a stop comes first.

        Raises:
            TransientError: ``argilla.give_up_after`` seconds of outage are over.
        """
        began = self.tools.clock.monotonic()
        section = self.tools.config.argilla
        for attempt, delay in enumerate(delays(section.max_backoff), start=1):
            try:
                result = action()
            except TransientError as error:
                outage = self.tools.clock.monotonic() - began
                if section.give_up_after is not None and outage >= section.give_up_after:
                    raise
                log.get("loop").warning(
                    "waiting_for_argilla",
                    problem=error.message,
                    attempt=attempt,
                    wait=round(delay, 1),
                )
                self.beat()
                if self.stop.wait(delay):
                    return None
            else:
                if attempt > 1:
                    log.get("loop").info("argilla_is_back", attempts=attempt)
                return result
        return None
