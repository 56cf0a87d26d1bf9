"""A run that is stopped reads once more what people have answered while it was busy."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from loopd.annotation.store import Sweep
from loopd.errors import TransientError
from loopd.events import AnswersCollected, BatchPlanned
from loopd.loop import run
from loopd.loop.steps import STEPS
from loopd.loop.tools import build_learner
from loopd.machine import Phase, State, fold
from loopd.records import Batch
from loopd.storage.run_folder import CACHE_FOLDER
from tests.loop.conftest import Bench, MakeBench, gold


def answer(bench: Bench, most: int = 1000) -> list[str]:
    """Somebody answers what is open; the records."""
    waiting = bench.people.open_records("ann")[:most]
    for record_id in waiting:
        bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))
    return list(waiting)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """Batches close while some of their records are still open."""
    return make_bench(
        queue={"batch_size": 6, "low_watermark": 3},
        stopping={"max_rounds": 2, "criteria": []},
    )


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param(Phase.COLLECT, marks=pytest.mark.whatever_the_store),
        Phase.TRAIN,
        pytest.param(Phase.EVALUATE, marks=pytest.mark.whatever_the_store),
        pytest.param(Phase.DECIDE, marks=pytest.mark.whatever_the_store),
    ],
)
def test_what_was_answered_meanwhile_is_in_the_journal(bench: Bench, phase: Phase) -> None:
    bench.run_until(
        lambda state: state.phase is phase and bool(state.answers), lambda: void(answer(bench, 3))
    )
    before = set(bench.state.answers)
    answered = answer(bench)
    assert answered
    state = bench.loop.leave(bench.state)
    assert isinstance(bench.events[-1], AnswersCollected)
    assert {id_ for id_, _ in set(state.answers) - before} == set(answered)
    assert state.phase is (Phase.TRAIN if phase is Phase.EVALUATE else phase)
    end = bench.run_until(lambda state: False, lambda: void(answer(bench)))
    assert end.phase is Phase.DONE
    assert fold(bench.events) == end, "a replay gives the same"
    assert end.trained[max(end.trained)].labels == len(end.answers)


@pytest.mark.whatever_the_store
def test_a_stop_before_the_choice_lets_a_model_choose_that_knows_the_last_answers(
    bench: Bench,
) -> None:
    """It trains once more than an undisturbed run; a kill after that chooses the same batch."""
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: void(answer(bench, 3)))
    measured = bench.state.trained[bench.state.round].model_id
    undisturbed = planned(bench, bench.state)
    assert undisturbed.batch.model_id == measured
    assert answer(bench)
    left = bench.loop.leave(bench.state)
    assert left.phase is Phase.DECIDE
    chosen = planned(bench, left)
    assert chosen.batch.model_id != measured
    cache = bench.tools.config.run.dir / CACHE_FOLDER
    shutil.rmtree(cache, ignore_errors=True)
    learner = build_learner(bench.tools.config, bench.tools.data.pool)
    bench.tools = replace(bench.tools, learner=learner)
    assert planned(bench, fold(bench.events)).batch == chosen.batch
    assert planned(bench, fold(bench.events[:-1])).batch == undisturbed.batch


def planned(bench: Bench, state: State) -> BatchPlanned:
    """What is chosen in this state."""
    event = STEPS[Phase.DECIDE](state, bench.tools)
    assert isinstance(event, BatchPlanned)
    return event


@pytest.mark.whatever_the_store
def test_nothing_is_read_before_anything_is_out(bench: Bench) -> None:
    state = bench.run_until(lambda state: state.phase is Phase.PUBLISH, lambda: None)
    assert bench.loop.leave(state) is state
    assert bench.loop.leave(State()) == State()


@pytest.mark.whatever_the_store
def test_nothing_new_is_no_event(bench: Bench) -> None:
    state = bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    assert bench.loop.leave(state) is state


@pytest.mark.whatever_the_store
def test_an_argilla_that_is_away_holds_nothing_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    answer(bench)

    def fails(_: Sequence[Batch]) -> Sweep:
        raise TransientError("Argilla is away", "wait")

    monkeypatch.setattr(bench.tools.store, "sweep_batches", fails)
    assert bench.loop.leave(state) is state


@pytest.mark.whatever_the_store
def test_an_argilla_that_says_nothing_holds_nothing_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    answer(bench)
    released = threading.Event()

    def hangs(_: Sequence[Batch]) -> Sweep:
        released.wait(60)
        raise TransientError("Argilla was away", "wait")

    monkeypatch.setattr(bench.tools.store, "sweep_batches", hangs)
    monkeypatch.setattr(run, "LAST_LOOK", 0.1)
    assert bench.loop.leave(state) is state
    released.set()


def void(_: object) -> None:
    """For those who want no answer."""
