"""The wish to stop: set by signals or callers, noted once, and what a second signal does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from loopd.errors import Interrupted
from loopd.loop.stop import Stop, interrupt_of, on_signals

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def earlier() -> Iterator[list[int]]:
    """Signals that the handlers of before got."""
    got: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    handlers = [(number, signal.signal(number, handle)) for number in SIGNALS]
    yield got
    for number, handler in handlers:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_lets_the_step_end_by_itself(
    earlier: list[int], number: signal.Signals
) -> None:
    stop, steps = Stop(), []
    with on_signals(stop):
        signal.raise_signal(number)
        steps.append("goes on")
        assert stop.wait(60.0)
    assert steps == ["goes on"]
    assert stop.is_set()
    assert not stop.interrupted
    assert not stop.explains(ValueError("a fault of its own"))
    assert earlier == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_does_what_it_did_before(
    earlier: list[int], number: signal.Signals
) -> None:
    stop = Stop()
    with on_signals(stop):
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert earlier == [number]
    signal.raise_signal(number)
    assert earlier == [number] * 2, "and so it is afterwards"


def test_a_signal_that_interrupts_does_so_once(earlier: list[int]) -> None:
    stop = Stop(at_once=True)
    with on_signals(stop):
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert stop.is_set()
    assert stop.explains(ValueError("what a library has made of it"))
    assert earlier == []


def test_however_often_it_is_set_it_neither_fails_nor_blocks() -> None:
    """More often than a pipe takes bytes."""
    stop = Stop()
    interrupt = interrupt_of(stop)
    interrupt()
    for _ in range(2**16 + 2):
        stop.set()
    assert stop.wait(60.0)
    assert stop.wait(60.0)
    with pytest.raises(Interrupted):
        interrupt()
