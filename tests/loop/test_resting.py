"""How a loop rests between two looks: what ends the rest early, and what does not."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest

from loopd.loop import run
from loopd.loop.stop import Alarm
from tests.loop.conftest import Bench, MakeBench

pytestmark = pytest.mark.whatever_the_store

LOOKS = 4


@pytest.fixture
def place() -> str:
    return "memory"


def moments_of_looks(bench: Bench, alarm: Alarm | None, *, rings: bool) -> list[float]:
    """When the loop begins so many turns in each of which it finds nothing to do."""
    bench.run_until(lambda state: state.round == 0 and bool(state.published), lambda: None)
    moments: list[float] = []

    def beat() -> None:
        moments.append(time.monotonic())
        if len(moments) == LOOKS:
            bench.stop.set()
        elif rings and alarm is not None:
            alarm.ring()

    replace(bench.loop, beat=beat, alarm=alarm).run(bench.state)
    return moments


def gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)]


def test_an_alarm_makes_the_next_look_come_sooner_but_not_at_once(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SOONEST", 0.02)
    bench = make_bench(queue={"batch_size": 6, "poll_interval": 60})
    pauses = gaps(moments_of_looks(bench, Alarm(), rings=True))
    assert len(pauses) == LOOKS - 1
    assert all(0.015 <= pause < 20 for pause in pauses)


@pytest.mark.parametrize("alarm", [None, Alarm()], ids=["none", "silent"])
def test_without_a_ring_a_rest_takes_its_time(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, alarm: Alarm | None
) -> None:
    monkeypatch.setattr(run, "SOONEST", 0.005)
    bench = make_bench(queue={"batch_size": 6, "poll_interval": 0.04})
    pauses = gaps(moments_of_looks(bench, alarm, rings=False))
    assert all(0.035 <= pause < 20 for pause in pauses)


def test_who_stops_the_loop_in_a_step_waits_for_nothing_more(make_bench: MakeBench) -> None:
    """What is done for Argilla before a rest may take long."""
    bench = make_bench(queue={"batch_size": 6, "poll_interval": 60})
    bench.run_until(lambda state: bool(state.published), lambda: None)
    rests: list[str] = []
    loop = replace(
        bench.loop,
        beat=bench.stop.set,
        before_rest=lambda: rests.append("a rest"),
    )
    began = time.monotonic()
    assert loop.run(bench.state) == bench.state
    assert rests == []
    assert time.monotonic() - began < 20
