"""Owns waiting for a server that is away: the same action again, until it works or a stop comes.

Must not know what the action is; only a :class:`~loopd.errors.TransientError` is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from loopd import log
from loopd.errors import TransientError
from loopd.loop.retry import delays

Result = TypeVar("Result")

LONGEST_REQUEST = 3600.0
"""Seconds for which a server that asks to be left alone (``Retry-After``) is, at most."""


@dataclass(frozen=True, slots=True)
class RetryLoop:
    """How to wait.

    Attributes:
        wait: waits so many seconds, or until a stop is asked for; returns whether it is.
        monotonic: clock in seconds.
        max_backoff: the longest wait between two attempts, in seconds.
        give_up_after: seconds of outage after which the error is passed on; ``None`` is never.
        part: who waits, for the log.
        seed: of the jitter; ``None`` draws one for each attempt.
        failed: called after each failure that is waited out.
        worked_again: called when an attempt goes well after a failure.
    """

    wait: Callable[[float], bool]
    monotonic: Callable[[], float]
    max_backoff: float
    give_up_after: float | None = None
    part: str = "loop"
    seed: int | None = None
    failed: Callable[[TransientError], None] = lambda _: None
    worked_again: Callable[[], None] = lambda: None

    def attempt(self, action: Callable[[], Result]) -> Result | None:
        """Repeat the action while it fails transiently; ``None`` if a stop comes first.

        Raises:
            TransientError: ``give_up_after`` seconds of outage are over.
        """
        began = self.monotonic()
        for attempt, delay in enumerate(delays(self.max_backoff, self.seed), start=1):
            try:
                result = action()
            except TransientError as error:
                outage = self.monotonic() - began
                if self.give_up_after is not None and outage >= self.give_up_after:
                    raise
                pause = self._pause(delay, error.retry_after, outage)
                log.get(self.part).warning(
                    "waiting_for_argilla",
                    problem=error.message,
                    attempt=attempt,
                    wait=round(pause, 1),
                )
                self.failed(error)
                if self.wait(pause):
                    return None
            else:
                if attempt > 1:
                    log.get(self.part).info("argilla_is_back", attempts=attempt)
                    self.worked_again()
                return result
        return None

    def _pause(self, delay: float, retry_after: float | None, outage: float) -> float:
        """Seconds until the next attempt: not before the server wants it, as far as that goes."""
        if retry_after is None:
            return delay
        pause = max(delay, min(retry_after, LONGEST_REQUEST))
        if self.give_up_after is None:
            return pause
        return min(pause, max(delay, self.give_up_after - outage))
