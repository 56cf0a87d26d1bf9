"""Who looks on is told everything once it is durable, and cannot harm the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.errors import Interrupted, LoopdError, TransientError
from loopd.events import BatchPlanned, Event
from loopd.loop.observers import Observers, RunView
from loopd.loop.retry_loop import RetryLoop
from loopd.loop.run import Loop
from loopd.machine import Phase, State
from tests.loop.conftest import MakeBench


@dataclass
class Diary:
    """Writes down all it is told, and breaks at one word if asked to."""

    breaks_at: str = ""
    told: list[str] = field(default_factory=list)

    def began(self, opening: RunView) -> None:
        self._note("began")

    def saw(self, event: Event, state: State) -> None:
        self._note(f"{type(event).__name__} {state.phase.value}")

    def waits(self, failure: LoopdError) -> None:
        self._note(f"waits: {failure.message}")

    def reached(self) -> None:
        self._note("reached")

    def ended(self, failure: Exception | None) -> None:
        self._note(f"ended: {failure}")

    def close(self) -> None:
        self._note("close")

    def _note(self, words: str) -> None:
        self.told.append(words)
        if self.breaks_at and words.startswith(self.breaks_at):
            raise RuntimeError("my pencil broke")


class Leaving(Diary):
    """Is struck by a stop that was asked for while it is told something."""

    def _note(self, words: str) -> None:
        super()._note(words)
        if words == "began":
            raise Interrupted("a stop was asked for")


def test_a_stop_is_no_mistake_of_whom_it_strikes() -> None:
    leaving, other = Leaving(), Diary()
    observers = Observers([other, leaving])
    with capture_logs() as logs, pytest.raises(Interrupted), observers.watching(OPENING):
        pytest.fail("the stop was swallowed")
    assert not logs


def test_an_error_that_a_stop_became_is_no_failure() -> None:
    diary = Diary()
    with (
        pytest.raises(ValueError, match="torn"),
        Observers([diary]).watching(OPENING, lambda _: True),
    ):
        raise ValueError("torn out of the middle")
    assert diary.told == ["began", "ended: None"]


OPENING: Any = None
"""The diary does not read it."""


@pytest.mark.parametrize("place", ["memory"])
def test_an_event_is_told_when_it_is_durable_and_with_the_state_after_it(
    make_bench: MakeBench,
) -> None:
    bench, diary = make_bench(), Diary()
    durable: list[Event] = []

    class Strict(Diary):
        def saw(self, event: Event, state: State) -> None:
            assert durable[-1] is event
            super().saw(event, state)

    diary = Strict()
    loop = Loop(
        bench.tools,
        bench.stop,
        lambda event, _: durable.append(event),
        observers=Observers([diary]),
    )
    state = loop.record(bench.state, _plan(bench.tools, bench.state))
    assert state.phase is Phase.PUBLISH
    assert diary.told == ["BatchPlanned publish"]


def _plan(tools: Any, state: State) -> BatchPlanned:
    from loopd.loop.steps import seed

    event = seed(state, tools)
    assert isinstance(event, BatchPlanned)
    return event


def test_failures_that_are_waited_out_are_told_and_their_end() -> None:
    diary, outcomes = Diary(), iter([TransientError("down"), TransientError("still"), None])

    def action() -> str:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return "here"

    observers = Observers([diary])
    patience = RetryLoop(
        wait=lambda _: False,
        monotonic=lambda: 0.0,
        max_backoff=1.0,
        failed=observers.waits,
        worked_again=observers.reached,
    )
    assert patience.attempt(action) == "here"
    assert patience.attempt(lambda: "again") == "again"
    assert diary.told == ["waits: down", "waits: still", "reached"]


@pytest.mark.parametrize("error", [None, LoopdError("no more"), ZeroDivisionError("a bug")])
def test_the_end_is_told_with_its_reason(error: Exception | None) -> None:
    diary = Diary()
    observers = Observers([diary])

    def run() -> None:
        with observers.watching(OPENING):
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    observers.close()
    assert diary.told == ["began", f"ended: {error}", "close"]


@pytest.mark.parametrize("word", ["began", "reached", "ended", "close"])
def test_a_broken_onlooker_is_left_out_once_and_the_others_go_on(word: str) -> None:
    broken, sound = Diary(breaks_at=word), Diary()
    observers = Observers([broken, sound])
    with capture_logs() as lines:
        with observers.watching(OPENING):
            observers.reached()
            observers.reached()
        observers.close()
    assert sound.told == ["began", "reached", "reached", "ended: None", "close"]
    assert broken.told.count(word if word != "ended" else "ended: None") >= 1
    assert broken.told[-1] == "close"
    warnings = [line for line in lines if line["event"] == "onlooker_left_out"]
    assert [(line["onlooker"], line["problem"]) for line in warnings] == [
        ("Diary", "RuntimeError: my pencil broke")
    ]
