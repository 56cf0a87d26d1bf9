"""Labels that are described: a model before anybody has answered, measured and seen by people."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from loopd.dashboard.page_cache import View
from loopd.dashboard.pictures import charts
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.events import BEFORE, RunResumed
from loopd.loop.opening import SMALL
from loopd.loop.steps import answers_meanwhile
from loopd.loop.tools import build_learner
from loopd.machine import Phase, State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.curve import plot_learning_curve
from loopd.metrics_log.rows import read_metrics
from loopd.metrics_log.writer import rows
from loopd.operations.status import describe
from loopd.overview.overview import overview
from loopd.overview.terminal import Look, status_text
from loopd.reports.report_page import report_html
from tests.loop.conftest import LABELS, WORDS, Bench, MakeBench, gold, gold_of
from tests.loop.test_rounds import never

pytestmark = pytest.mark.whatever_the_store

DESCRIPTIONS = {label: [f"the {' '.join(WORDS[label])}"] for label in LABELS}
TASK = {"labels": list(LABELS), "descriptions": DESCRIPTIONS}
BIG = SMALL + 10


def answer(bench: Bench, only: str = "") -> None:
    """What is open gets its right label; with ``only`` just texts of that label are answered."""
    for record_id in bench.people.open_records("ann"):
        label = gold(bench.tools.data.pool, record_id)
        if only in ("", label):
            bench.people.submit(record_id, "ann", label)
        else:
            bench.people.discard(record_id, "ann")


def first_out(state: State) -> bool:
    return bool(state.published)


def test_the_first_batch_carries_proposals_and_the_log_a_line(make_bench: MakeBench) -> None:
    bench = make_bench(task=TASK)
    state = bench.run_until(first_out, lambda: None)
    items = state.batch.items
    assert len(items) == 6
    proposed = [item.suggestion for item in items if item.suggestion is not None]
    assert len(proposed) == 6
    told = zip(proposed, items, strict=True)
    assert sum(proposal.value == gold_of(int(item.record_id[1:])) for proposal, item in told) >= 5
    assert state.batch.strategy == "facility_location"
    (row,) = rows(state)
    assert (row["round"], row["labels"], row["annotations"]) == (BEFORE, 0, 0)
    assert row["accuracy"] > 0.8  # type: ignore[operator]
    assert state.batch.model_id == row["model_id"] == state.trained[BEFORE].model_id


def test_a_run_goes_on_to_its_end_and_counts_people_s_rounds_alone(make_bench: MakeBench) -> None:
    bench = make_bench(task=TASK)
    state = bench.run_until(never, lambda: answer(bench))
    assert state.phase is Phase.DONE
    assert [row["labels"] for row in rows(state)] == [0, 6, 12, 18]
    assert [row["round"] for row in rows(state)] == [BEFORE, 0, 1, 2]
    assert state.rounds_measured == 3


def test_no_target_is_reached_before_anybody_has_answered(make_bench: MakeBench) -> None:
    bench = make_bench(task=TASK, stopping={"target_accuracy": 0.5, "patience": 1})
    state = bench.run_until(never, lambda: answer(bench))
    assert [row["labels"] for row in rows(state)] == [0, 6]
    assert state.stopped is not None
    assert state.stopped.reason == "target_accuracy"


def test_an_opening_goes_out_before_anything_is_trained(make_bench: MakeBench) -> None:
    bench = make_bench(BIG, task=TASK, queue={"batch_size": 6, "opening_size": 2})
    state = bench.run_until(first_out, lambda: None)
    assert not state.trained
    assert all(item.suggestion is None for item in state.batch.items)
    state = bench.run_until(lambda state: len(state.published) == 2, lambda: None)
    assert [len(batch.items) for batch in state.batches] == [2, 4]
    assert all(item.suggestion is not None for item in state.batch.items)
    assert state.batch.strategy == "facility_location"
    (refreshed,) = state.planned[1].refreshed
    assert all(item.suggestion is not None for item in refreshed.items)
    (row,) = rows(state)
    assert (row["round"], row["labels"], row["collected"]) == (0, 0, "opening")
    state = bench.run_until(never, lambda: answer(bench))
    assert [row["labels"] for row in rows(state)] == [0, 6, 12, 18]
    assert state.rounds_measured == 3


def test_proposals_stay_away_where_nobody_wants_them(make_bench: MakeBench) -> None:
    bench = make_bench(task=TASK, queue={"suggestions": False})
    state = bench.run_until(first_out, lambda: None)
    assert all(item.suggestion is None for item in state.batch.items)


def test_answers_that_came_with_the_pool_and_suffice_choose_as_ever(make_bench: MakeBench) -> None:
    given = {f"r{number:03d}": (("ann", gold_of(number)),) for number in range(8)}
    bench = make_bench(task=TASK, answers=given)
    state = bench.run_until(first_out, lambda: None)
    assert BEFORE not in state.trained
    assert state.batch.strategy == "auto/diverse_margin"
    alike = {f"r{number:03d}": (("ann", gold_of(number)),) for number in range(0, 8, 2)}
    bench = make_bench(task=TASK, answers=alike)
    state = bench.run_until(first_out, lambda: None)
    assert state.trained[BEFORE].labels == 4


def test_one_described_label_of_two_is_not_enough(make_bench: MakeBench) -> None:
    one = {**TASK, "descriptions": {LABELS[0]: DESCRIPTIONS[LABELS[0]]}}
    bench = make_bench(task=one)
    state = bench.run_until(first_out, lambda: None)
    assert not state.trained


@pytest.mark.parametrize(
    "strategy", ["committee", "discriminative_active_learning", "activelab", "margin"]
)
@pytest.mark.parametrize("consensus", ["majority", "crowdlab"])
@pytest.mark.parametrize("only", [LABELS[1], "nothing"])
def test_answers_of_one_kind_or_none_end_no_run(
    make_bench: MakeBench, strategy: str, consensus: str, only: str
) -> None:
    bench = make_bench(
        task=TASK,
        strategy={"name": strategy},
        consensus={"strategy": consensus},
        audit={"random_share": 0},
    )
    state = bench.run_until(never, lambda: answer(bench, only=only))
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    assert set(state.trained) == {BEFORE, 0, 1, 2}


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_that_is_stopped_before_its_first_batch_goes_on(
    make_bench: MakeBench, done: int
) -> None:
    whole = make_bench(task=TASK)
    whole.run_until(first_out, lambda: None)
    bench = make_bench(task=TASK)
    bench.run_until(lambda state: len(bench.events) == done, lambda: None)
    bench.state = fold(bench.events)
    assert answers_meanwhile(bench.state, bench.tools) is None, "nobody was asked anything yet"
    state = bench.run_until(first_out, lambda: None)
    assert state.batch == whole.state.batch
    assert [row["accuracy"] for row in rows(state)] == [
        row["accuracy"] for row in rows(whole.state)
    ]


@pytest.mark.parametrize("described", [True, False])
def test_another_configuration_trains_the_first_model_again(
    make_bench: MakeBench, described: bool
) -> None:
    bench = make_bench(task=TASK)
    state = bench.run_until(lambda state: bool(state.trained), lambda: None)
    bench.state = apply(state, RunResumed(2.0, "other", "another classifier"))
    if not described:
        learner = build_learner(make_bench().tools.config, bench.tools.data.pool)
        bench.tools = replace(bench.tools, learner=learner)
    state = bench.run_until(first_out, lambda: None)
    assert len(state.batch.items) == 6
    assert (state.batch.model_id is not None) == described


@pytest.mark.parametrize("place", ["memory"])
def test_every_view_shows_a_round_before_the_first(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench(task=TASK)
    for phase in (Phase.EVALUATE, Phase.DECIDE, Phase.PUBLISH, Phase.COLLECT, Phase.DONE):
        state = bench.run_until(partial(in_phase, phase), lambda: answer(bench))
        config, lines = bench.tools.config, rows(state)
        seen = overview(state, config, bench.tools.data.pool, lines, 2000.0)
        report = report_html(seen, state, config, tuple(charts(seen)))
        page = View(SnapshotHolder())._render("live_content.html.jinja", seen)
        status = describe(state, config)
        terminal = status_text(seen, {**status, "daemon": None, "seen": None}, Look(100))
        plot_learning_curve(lines, tmp_path / "curve.png", "x")
        metrics_log.write(state, tmp_path)
        assert read_metrics(tmp_path / "metrics.jsonl") == lines
        assert status["evaluated"] == (None if phase is Phase.EVALUATE else max(state.evaluated))
        if seen.measured is not None:
            accuracy = f"{seen.measured.value:.3f}"
            assert all(accuracy in view for view in (report, page, terminal))


def in_phase(phase: Phase, state: State) -> bool:
    return state.phase is phase
