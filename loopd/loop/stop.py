"""Owns what ends a wait early: the wish to stop, which signals set, and an alarm for news."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeAlias

from loopd.errors import Interrupted

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | signal.Handlers
"""What Python calls on a signal, or what the system does."""


class Alarm:
    """Ends one wait early; may ring from any thread, and once for several rings."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def __del__(self) -> None:
        os.close(self.reader)
        os.close(self._writer)

    def ring(self) -> None:
        """End the present wait, or the next one."""
        with suppress(BlockingIOError):  # it rings already, and nobody has come yet
            os.write(self._writer, b".")

    def hush(self) -> None:
        """Forget the rings so far."""
        with suppress(BlockingIOError):
            os.read(self.reader, 65536)


class Stop:
    """Set once, by a signal or by a caller; waits end at once.

    Args:
        at_once: whether a signal interrupts whatever is going on, instead of only being noted.
        second_kills: whether a second signal ends the process there and then, for a process of
            loopd's own. In one of somebody else, such as a notebook's, it does what it did there
            before: most often it raises ``KeyboardInterrupt``.
    """

    def __init__(self, *, at_once: bool = False, second_kills: bool = False) -> None:
        self.at_once = at_once
        """Whether a signal interrupts whatever is going on, instead of only being noted."""
        self.second_kills = second_kills
        """Whether a second signal ends the process, instead of what it did before."""
        self.interrupted = False
        """Whether one did."""
        self._wanted = False
        # A pipe and not a ``threading.Event``: a signal handler that sets an event can dead-lock
        # with the ``wait`` that it interrupts, because both take the event's lock.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def set(self) -> None:
        """Ask the loop to end after the present step; may be called from a signal handler."""
        if not self._wanted:
            self._wanted = True
            os.write(self._writer, b".")

    def is_set(self) -> bool:
        """Whether the loop was asked to end."""
        return self._wanted

    def explains(self, error: Exception) -> bool:
        """Whether the error is nothing but a stop that was asked for.

        Libraries and people's own code may have turned the interruption into what they know.
        """
        return isinstance(error, Interrupted) or self.interrupted

    def wait(self, seconds: float, alarm: Alarm | None = None) -> bool:
        """Wait so long, or until the wish is there or the alarm rings; whether the wish is."""
        readers = [self._reader] if alarm is None else [self._reader, alarm.reader]
        ready, _, _ = select.select(readers, [], [], max(0.0, seconds))
        if alarm is not None and alarm.reader in ready:
            alarm.hush()
        return self._wanted


@contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM set the flag; a second one ends the process, or does what it did before.

    Nothing happens outside the main thread, which alone may handle signals.

    As long as ``stop.at_once`` is set they raise ``Interrupted`` too, wherever the process is. The
    flag is there all the same, should somebody catch that.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL if stop.second_kills else before[number])
        stop.set()
        if stop.at_once:
            stop.at_once = False
            stop.interrupted = True
            raise Interrupted("a stop was asked for")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {int(number): _handler(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_of(stop: Stop, beat: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """What a long step calls now and then: it beats, and raises once a stop is asked for."""

    def interrupt() -> None:
        beat()
        if stop.is_set():
            raise Interrupted("a stop was asked for")

    return interrupt


def ticking(
    interrupt: Callable[[], None], progress: Callable[[str, int, int], None]
) -> Callable[[str, int, int], None]:
    """What a long step calls with (what, done, total): it tells how far it is, and interrupts."""

    def tick(what: str, done: int, total: int) -> None:
        interrupt()
        progress(what, done, total)

    return tick


def _handler(number: int) -> Handler:
    """What handles a signal now; what no Python code has set cannot be set again."""
    handler = signal.getsignal(number)
    return signal.SIG_DFL if handler is None else handler
