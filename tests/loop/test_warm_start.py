"""Pools that come with answers: votes from the start, of people who are not there."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.annotation.consensus import ballots, targets, unresolved
from loopd.events import AnswersCollected, BatchPlanned
from loopd.loop.start_or_resume import begin
from loopd.loop.steps import STEPS
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.records import AnswerStatus, ExternalId, PoolId
from tests.loop.conftest import Bench, GivenAnswers, MakeBench, gold, gold_of
from tests.loop.test_second_opinions import ACTIVELAB, copies


def never(_: State) -> bool:
    return False


def right(count: int, name: str = "old") -> GivenAnswers:
    """So many right answers of one person."""
    return {f"r{n:03d}": ((name, gold_of(n)),) for n in range(count)}


def answer_all(bench: Bench) -> None:
    for id_ in bench.people.open_records("ann"):
        bench.people.submit(id_, "ann", gold(bench.tools.data.pool, bench.state.originals[id_]))


@pytest.mark.left_to_others
def test_a_model_chooses_the_first_batch(make_bench: MakeBench) -> None:
    bench = make_bench(answers=right(20))
    state = bench.run_until(never, lambda: answer_all(bench))
    first, second = bench.events[1:3]
    assert isinstance(first, AnswersCollected)
    assert {each.annotator for each in first.answers} == {"import:old"}
    assert isinstance(second, BatchPlanned)
    assert second.batch.model_id is not None
    assert all(item.score is not None and item.suggestion for item in second.batch.items)
    ids = [id_ for batch in state.batches for id_ in batch.record_ids]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(right(20))
    rows = metrics_log.rows(state)
    assert [row["labels"] for row in rows] == [26, 32, 38]
    assert rows[0]["annotators"] == 2
    assert fold(bench.events) == state


@pytest.mark.whatever_the_store
def test_too_few_answers_are_known_to_the_cold_start(make_bench: MakeBench) -> None:
    bench = make_bench(answers=right(1))
    state = bench.run_until(lambda state: bool(state.trained), lambda: answer_all(bench))
    assert state.batches[0].model_id is None
    assert "r000" not in state.planned_ids
    assert state.trained[0].labels == 7


@pytest.mark.whatever_the_store
def test_values_that_the_task_does_not_know(make_bench: MakeBench) -> None:
    bench = make_bench(size=8, answers={"r000": (("old", "zebra"),)}, queue={"batch_size": 8})
    state = bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    assert state.answers[ExternalId("r000"), "import:old"].status is AnswerStatus.INVALID
    assert "r000" in unresolved(state, 1)  # it is published like any other text
    state = bench.run_until(lambda state: bool(state.trained), lambda: answer_all(bench))
    assert state.answers[ExternalId("r000"), "import:old"].status is AnswerStatus.INVALID
    assert targets(state)[PoolId("r000")] == "fruit"


@pytest.mark.whatever_the_store
def test_a_second_opinion_on_an_answer_that_came_with_the_pool(make_bench: MakeBench) -> None:
    wrong = {"r000": (("old", "tool"), ("older", "fruit")), **dict([*right(20).items()][1:])}
    bench = make_bench(size=24, answers=wrong, stopping={"max_rounds": 8}, **ACTIVELAB)
    state = bench.run_until(never, lambda: answer_all(bench))
    asked = {item.record_id for batch in state.batches for item in copies(batch)}
    assert asked & set(wrong)
    assert asked.isdisjoint(state.planned_ids)  # one person alone: nothing else may be asked
    assert "r000" in asked
    assert [vote.target for vote in ballots(state)[PoolId("r000")]] == ["tool", "fruit", "fruit"]
    assert targets(state)[PoolId("r000")] == "fruit"


def test_a_kill_between_the_answers_and_the_batch_changes_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(answers=right(20))
    event = STEPS[Phase.SEED](bench.state, bench.tools)
    assert isinstance(event, AnswersCollected)
    bench.state = bench.loop.record(bench.state, event)
    again = [STEPS[Phase.SEED](fold(bench.events), bench.tools) for _ in range(2)]
    assert isinstance(again[0], BatchPlanned)
    assert again[0].batch == again[1].batch  # type: ignore[union-attr]


@pytest.mark.whatever_the_store
def test_a_budget_that_the_pool_has_met(make_bench: MakeBench) -> None:
    bench = make_bench(answers=right(20), stopping={"label_budget": 20})
    state = bench.run_until(never, lambda: None)
    assert state.stopped is not None
    assert state.stopped.reason == "label_budget"
    assert state.batches == ()
    section = bench.tools.config.stopping.model_copy(update={"label_budget": 26})
    config: Any = bench.tools.config.model_copy(update={"stopping": section})
    object.__setattr__(bench.tools, "config", config)
    event = begin(bench.state, bench.tools, bench.dataset_id)
    assert event is not None
    bench.state = bench.loop.record(bench.state, event)
    state = bench.run_until(never, lambda: answer_all(bench))
    assert state.trained[0].labels == 26
