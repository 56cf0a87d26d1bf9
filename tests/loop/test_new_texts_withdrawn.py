"""New texts are compared with old ones in a run from which texts are withdrawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopd.loop.new_texts import _Counted
from loopd.machine import Phase
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import INTAKES, SHARE, SINCE, WEEK, is_alarm
from loopd.records import PoolId
from loopd.storage.removal_requests import RemovalRequests
from tests.loop.growing import GrowingRun
from tests.loop.test_new_texts import begun, chosen, joins, next_batch, questions, tweets

pytestmark = pytest.mark.whatever_the_store


def withdraw(run: GrowingRun, *numbers: int) -> None:
    ids = [PoolId(f"r{number:03d}") for number in numbers]
    RemovalRequests(run.config.run.dir).leave(ids)
    run.run_until(lambda state: state.withdrawn >= set(ids))
    assert not RemovalRequests(run.config.run.dir).waiting() or run.turn() is not None


def test_a_shift_is_noticed_among_the_texts_that_are_left(tmp_path: Path) -> None:
    run = begun(tmp_path)
    withdraw(run, *range(0, 40, 2))
    assert not is_alarm(joins(run, questions(120, 30)))
    withdraw(run, *range(120, 150, 3))
    told = joins(run, [*questions(150, 15), *tweets(165, 25)])
    assert is_alarm(told)
    assert number(told, "shift.new") in (40, 60)
    assert number(told, SINCE) in (150, 120)
    event = next_batch(run)
    assert event.fresh >= round(0.5 * len(chosen(event)))


def test_an_intake_of_which_nothing_is_left_is_no_news(tmp_path: Path) -> None:
    run = begun(tmp_path)
    joins(run, questions(120, 30))
    withdraw(run, *range(120, 150))
    told = joins(run, questions(150, 30))
    assert number(told, INTAKES) == 2
    assert not is_alarm(told)
    assert number(told, "shift.new") in (30, None)
    run.run_until(lambda state: len(state.batches) >= 5)


def test_an_alarm_about_texts_that_are_withdrawn_gives_them_nothing(tmp_path: Path) -> None:
    run = begun(tmp_path)
    told = joins(run, [*questions(120, 15), *tweets(135, 25)])
    assert is_alarm(told)
    withdraw(run, *range(120, 160))
    before = run.state.planned_ids
    event = next_batch(run)
    assert not {f"r{n:03d}" for n in range(120, 160)} & (run.state.planned_ids - before)
    assert event.fresh == 0
    assert len(event.batch.record_ids) == 6
    seen = max(run.state.evaluated)
    run.run_until(lambda state: max(state.evaluated) > seen)
    told = run.state.evaluated[max(run.state.evaluated)].shift
    assert number(told, SHARE) == 0


def test_draws_of_withdrawn_texts_count_on_neither_side(tmp_path: Path) -> None:
    run = begun(tmp_path, audit={"random_share": 0.5, "folds": 0})
    joins(run, questions(120, 60))
    run.run_until(lambda state: len(state.batches) >= 8 and state.phase is Phase.COLLECT)
    drawn = sorted(int(id_[1:]) for id_ in run.state.draws)
    late = [each for each in drawn if each >= 120]
    assert len(late) >= 3
    early = [each for each in drawn if each < 120]
    withdraw(run, late[0], early[0], 179)
    seen = max(run.state.evaluated)
    run.run_until(lambda state: max(state.evaluated) > seen)
    state = run.state
    told = state.evaluated[max(state.evaluated)].shift
    present = [
        n for n in map(int, (id_[1:] for id_ in state.draws)) if n not in (late[0], early[0])
    ]
    weekly = [number(told, key) or 0 for key in told if key.startswith(WEEK) and "draws" in key]
    assert 0 < sum(weekly) <= len(present)
    after = number(told, "shift.draws")
    if after is not None:
        assert after <= sum(each >= 120 for each in present)
        assert number(told, "shift.late") == 60 - 2


def test_the_same_figures_and_batches_after_each_start(tmp_path: Path) -> None:
    def outcome(folder: Path, *, killed: bool) -> tuple[object, object]:
        run = begun(folder)
        withdraw(run, 1, 2, 3)
        joins(run, questions(120, 30))
        withdraw(run, 121, 122)
        for _ in range(2):
            run = run.started_again() if killed else run
            next_batch(run)
        run = run.started_again() if killed else run
        joins(run, [*questions(150, 15), *tweets(165, 25)])
        next_batch(run)
        figures = [run.state.evaluated[each].shift for each in sorted(run.state.evaluated)]
        return run.batches, figures

    assert outcome(tmp_path / "whole", killed=False) == outcome(tmp_path / "killed", killed=True)


def test_withdrawn_texts_are_no_part_of_the_share(tmp_path: Path) -> None:
    run = begun(tmp_path)
    joins(run, questions(120, 40))
    withdraw(run, *range(100), *range(150, 160))
    counted = _Counted.of(run.state, run.tools)
    positions = {int(id_[1:]) for id_ in run.state.planned_ids - run.state.withdrawn}
    assert set(counted.known) == positions
    assert len(counted.withdrawn) == 110
    assert 0.5 <= counted.share(120) <= 30 / 50 or counted.share(120) == 0
