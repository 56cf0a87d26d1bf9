"""The life of a listener: it starts, waits, ends and fails as promised; the dataset is a fake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.errors import AuthError, TransientError
from loopd.listener import Context, Listener
from loopd.listener.filters import parse
from loopd.listener.firing import Rule
from loopd.listener.listening import Timing
from tests.daemon import wait_for
from tests.listener.fakes import Calls, FakeSource

FILTERS = parse([("metadata.batch_id", "==", "{batch_id}")], None)

Make = Callable[..., Listener]


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def make(source: FakeSource, calls: Calls) -> Iterator[Make]:
    made: list[Listener] = []

    def build(connect: Callable[[], Any] = lambda: source, interval: float = 0.01) -> Listener:
        rule = Rule(FILTERS, lambda search: search.total >= 1)
        listener = Listener(calls, rule, {"batch_id": 0}, connect, Timing(interval, 30.0))
        made.append(listener)
        return listener

    yield build
    for listener in made:
        listener.context.stop()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "listener-" in thread.name}


def test_it_goes_from_batch_to_batch(make: Make, source: FakeSource, calls: Calls) -> None:
    def go_on(ctx: Context) -> None:
        ctx.query_params["batch_id"] += 1

    calls.then = go_on
    listener = make()
    listener.start()
    for batch in range(3):
        source.answer(batch, f"r{batch}")
        wait_for(partial(calls.more_than, batch), 10)
    listener.stop()
    assert calls.seen == [(batch, 1, [f"r{batch}"]) for batch in range(3)]


def test_stopping_wakes_it_and_ends_its_thread(make: Make) -> None:
    listener = make(interval=3600.0)
    assert not listener.is_running()
    listener.start()
    assert listener.is_running()
    assert len(threads()) == 1
    listener.stop(timeout=5)
    assert not listener.is_running()
    assert not threads()
    listener.stop()


def test_it_is_one_thread_each_and_starts_again(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    one, other = make(), make()
    for listener in (one, other):
        listener.start()
    assert len([each for each in threading.enumerate() if "listener-" in each.name]) == 2
    with pytest.raises(RuntimeError, match="running already"):
        one.start()
    with pytest.raises(RuntimeError, match="running already"):
        one.run()
    other.stop()
    assert one.is_running()
    source.answer(0, "a")
    wait_for(lambda: calls.seen, 10)
    one.stop()
    one.start()
    source.answer(1, "b")
    one.stop()
    assert len(calls.seen) == 1, "what it was called for outlives a stop"


def test_the_blocking_form_ends_from_inside_and_raises_directly(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    source.answer(0, "a")
    calls.then = lambda ctx: ctx.stop()
    listener = make()
    listener.run()
    assert len(calls.seen) == 1
    assert not listener.is_running()
    assert not threads()

    def fail(_ctx: Context) -> None:
        raise ZeroDivisionError

    calls.then = fail
    source.answer(0, "b")
    with pytest.raises(ZeroDivisionError):
        listener()
    assert not listener.is_running()
    listener.stop()


def test_an_error_of_the_action_reaches_the_caller_and_the_state_comes_again(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    def fail(_ctx: Context) -> None:
        raise ValueError("no such label")

    calls.then = fail
    source.answer(0, "a")
    listener = make()
    with capture_logs() as logs:
        listener.start()
        wait_for(lambda: not listener.is_running(), 10)
        with pytest.raises(ValueError, match="no such label"):
            listener.join()
    with pytest.raises(ValueError, match="no such label"):
        listener.stop()
    (failed,) = [entry for entry in logs if entry["event"] == "listener_failed"]
    assert "no such label" in str(failed)
    calls.then = lambda ctx: ctx.stop()
    listener.start()
    listener.join(timeout=10)
    assert len(calls.seen) == 2


def test_a_stop_from_inside_does_not_wait_for_itself(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    source.answer(0, "a")
    listener = make()
    calls.then = lambda ctx: listener.stop()
    listener.start()
    listener.join(timeout=10)
    assert len(calls.seen) == 1


def test_a_stop_waits_for_the_action_but_not_for_ever(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    let_go = threading.Event()
    calls.then = lambda ctx: let_go.wait(30)
    source.answer(0, "a")
    listener = make()
    listener.start()
    wait_for(lambda: calls.seen, 10)
    with pytest.raises(TimeoutError, match="still at work"):
        listener.stop(timeout=0.05)
    assert listener.is_running()
    let_go.set()
    listener.stop(timeout=10)
    assert not threads()


def test_outages_are_waited_for_also_at_the_start(
    make: Make, source: FakeSource, calls: Calls
) -> None:
    failures = [TransientError("not up yet")]

    def connect() -> FakeSource:
        if failures:
            raise failures.pop()
        return source

    source.failures.append(TransientError("cut"))
    source.answer(0, "a")
    calls.then = lambda ctx: ctx.stop()
    with capture_logs() as logs:
        make(connect).run()
    assert len(calls.seen) == 1
    events = [entry["event"] for entry in logs]
    assert events.count("waiting_for_argilla") == events.count("argilla_is_back") == 2


def test_a_stop_ends_the_wait_for_a_server_that_is_away(make: Make) -> None:
    tried = threading.Event()

    def connect() -> FakeSource:
        tried.set()
        raise TransientError("away")

    listener = make(connect)
    listener.start()
    assert tried.wait(10)
    listener.stop(timeout=10)
    assert not threads()


def test_what_waiting_cannot_mend_ends_it(make: Make) -> None:
    def connect() -> FakeSource:
        raise AuthError("wrong key")

    with pytest.raises(AuthError):
        make(connect).run()


def test_an_action_without_records(source: FakeSource) -> None:
    seen: list[Context] = []

    def action(ctx: Context) -> None:
        """What it does."""
        seen.append(ctx)
        ctx.stop()

    source.answer(0, "a")
    params = {"batch_id": 0}
    listener = Listener(
        action, Rule(FILTERS), params, lambda: source, Timing(0.01, 30.0), with_records=False
    )
    listener.run()
    (ctx,) = seen
    assert (ctx.dataset, ctx.search.total) == ("the dataset", 1)
    assert (listener.__name__, listener.__doc__) == ("action", "What it does.")
