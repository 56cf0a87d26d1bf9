"""Owns the loop: look at the state, do the one step of the phase, write down what happened.

Must not know signals, files or servers; those come in through its arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from loopd.config import ArgillaSection
from loopd.errors import Interrupted
from loopd.events import Event, PoolGrew, RunStopped, TextsWithdrawn
from loopd.loop.batch_making import EXHAUSTED
from loopd.loop.observers import Observers
from loopd.loop.retry_loop import RetryLoop
from loopd.loop.steps import STEPS, answers_meanwhile
from loopd.loop.stop import Alarm, Stop
from loopd.loop.tools import Tools
from loopd.machine import Phase, State, apply

Result = TypeVar("Result")
Write = Callable[[Event, State], None]
"""Called with each event and the state after it; must be durable when it returns."""

LONGEST_SILENCE = 30.0
"""Seconds of a wait after which the loop gives a sign of life."""

LAST_LOOK = 3.0
"""Seconds for the last look of a run that is stopped."""

SOONEST = 0.5
"""Least seconds between two looks, however often the alarm rings."""


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
    alarm: Alarm | None = None
    """Rings when somebody may have answered."""
    observers: Observers = field(default_factory=Observers)
    """Is told of each event once it is durable, and of failures that are waited out."""
    before_rest: Callable[[], None] = lambda: None
    """Called before each rest, when Argilla has just answered; must not raise."""
    jitter: int | None = None
    """Seed of the waits while Argilla is away; ``None``: no two processes wait alike."""

    def run(self, state: State) -> State:
        """Step until the run is done or a stop is asked for; returns the state then."""
        if state.phase is Phase.DONE:
            state = self._at_rest(state)
        while state.phase is not Phase.DONE and not self.stop.is_set():
            self.beat()
            try:
                event = self._step(state)
            except Interrupted:
                break
            if event is not None:
                state = self.record(state, event)
            else:
                self._rest()
        return state

    def _at_rest(self, state: State) -> State:
        """A run that is over: texts may have joined, and be withdrawn without waking it."""
        try:
            while (event := self.patiently(partial(self._leaving, state))) is not None:
                state = self.record(state, event)
        except Interrupted:
            return state
        event = self._left_over()
        return state if event is None else self.record(state, event)

    def leave(self, state: State) -> State:
        """Read once more what people have answered, so that the journal of a stopped run has it.

        Argilla gets a few seconds for it: what it does not tell by then comes in at the next start.
        """
        news: list[Event | None] = []

        def look() -> None:
            with suppress(Exception):  # nothing may keep a run from stopping
                news.append(answers_meanwhile(state, self.tools))

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        looking.join(LAST_LOOK)
        event = news[0] if news else None
        return state if event is None else self.record(state, event)

    def _rest(self) -> None:
        """Wait for the next look; an alarm makes it come sooner, but not at once."""
        if not self.stop.is_set():
            self.before_rest()
        pause = self.tools.config.queue.poll_interval
        short = pause if self.alarm is None else min(pause, SOONEST)
        if not self.stop.wait(short) and self.alarm is not None:
            self.stop.wait(pause - short, self.alarm)

    def record(self, state: State, event: Event) -> State:
        """Fold an event, make it durable and tell who looks on."""
        after = apply(state, event)
        self.write(event, after)
        if isinstance(event, PoolGrew):
            self.tools.grow()
        elif isinstance(event, TextsWithdrawn):
            with suppress(Interrupted):  # the fact is there: the next process erases the rest
                self.tools.withdraw(after)
        self.observers.saw(event, after)
        return after

    def _step(self, state: State) -> Event | None:
        def attempt() -> Event | None:
            event = self._joining(state) or self._stepped(state)
            if isinstance(event, RunStopped):
                event = self._left_over() or event
            if isinstance(event, RunStopped):
                self.tools.store.show_only(())
            return event

        return self.patiently(attempt)

    def _joining(self, state: State) -> Event | None:
        """Texts that join the pool now, or leave it, before anything else is done."""
        watch = self.tools.watch
        joining = None if watch is None else watch.look(state, self.tools.data.pool)
        return joining or self._leaving(state)

    def _leaving(self, state: State) -> Event | None:
        """Texts that somebody wants to be withdrawn; what was withdrawn before is seen to."""
        removals, tools = self.tools.removals, self.tools
        return None if removals is None else removals.look(state, tools.data.pool, tools.store)

    def _left_over(self) -> Event | None:
        """Texts that somebody has added while the run came to its end."""
        watch = self.tools.watch
        return None if watch is None else watch.added(self.tools.data.pool)

    def _stepped(self, state: State) -> Event | None:
        """What the step of the phase gives; no end where more texts may come."""
        watch = self.tools.watch
        if watch is not None and watch.waits_in is state:
            return answers_meanwhile(state, self.tools)
        event = STEPS[state.phase](state, self.tools)
        is_exhausted = isinstance(event, RunStopped) and event.reason == EXHAUSTED
        if watch is None or not (is_exhausted and watch.is_following):
            return event
        watch.wait_in(state)
        return None

    def patiently(self, action: Callable[[], Result]) -> Result | None:
        """Repeat the action while it fails transiently; ``None`` if a stop comes first.

        Raises:
            TransientError: ``argilla.give_up_after`` seconds of outage are over.
        """
        section, observers = self.tools.config.argilla, self.observers
        monotonic = self.tools.clock.monotonic
        waiting = patience(section, self.stop, self.beat, observers, monotonic=monotonic)
        return replace(waiting, seed=self.jitter).attempt(action)


def patience(
    section: ArgillaSection,
    stop: Stop,
    beat: Callable[[], None],
    observers: Observers,
    *,
    monotonic: Callable[[], float],
) -> RetryLoop:
    """How a run waits for its Argilla.

    Args:
        section: says for how long.
        stop: the wish to end.
        beat: called now and then.
        observers: is told of failures that are waited out.
        monotonic: clock in seconds.
    """
    return RetryLoop(
        wait=partial(_wait, stop, beat),
        monotonic=monotonic,
        max_backoff=section.max_backoff,
        give_up_after=section.give_up_after,
        failed=observers.waits,
        worked_again=observers.reached,
    )


def _wait(stop: Stop, beat: Callable[[], None], seconds: float) -> bool:
    """Wait, with a sign of life now and then; returns whether a stop was asked for."""
    while seconds > LONGEST_SILENCE:
        beat()
        if stop.wait(LONGEST_SILENCE):
            return True
        seconds -= LONGEST_SILENCE
    beat()
    return stop.wait(seconds)
