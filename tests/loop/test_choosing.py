"""What a run does once random draws say that choosing is behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.config import Config
from loopd.evaluation.edge import differences
from loopd.events import BatchPlanned, RoundEvaluated
from loopd.loop.edge import WAITED_FOR, fallen_back, selected_items, settled_batches
from loopd.loop.random_fallback import REASON, grounds, losing_setup
from loopd.loop.steps import STEPS
from loopd.machine import Phase, State, apply
from loopd.metrics_log.edge import edge_sentence
from loopd.overview.cautions import cautions
from loopd.records import Batch, BatchItem, PoolId
from loopd.storage.codec import decode, encode
from tests.loop.conftest import Bench, MakeBench
from tests.loop.test_recover import diligent

pytestmark = pytest.mark.whatever_the_store

AUDIT: dict[str, Any] = {
    "audit": {"random_share": 0.2},
    "queue": {"batch_size": 10},
    "stopping": {"max_rounds": 9},
}
BEHIND = {
    "audit.edge": -0.2,
    "audit.edge_low": -0.4,
    "audit.edge_high": -0.05,
    "audit.edge_draws": 40,
}


def told(bench: Bench, **figures: float) -> State:
    """The state after a round whose audit says so, ready to choose the next batch."""
    state = bench.run_until(lambda state: state.phase is Phase.DECIDE, diligent(bench))
    last = state.evaluated[state.round]
    evaluated = {**state.evaluated, state.round: replace(last, audit={**last.audit, **figures})}
    return replace(state, evaluated=evaluated)


def planned(bench: Bench, state: State) -> BatchPlanned:
    event = STEPS[Phase.DECIDE](state, bench.tools)
    assert isinstance(event, BatchPlanned)
    return event


def test_half_of_what_is_chosen_is_random_and_trains(make_bench: MakeBench) -> None:
    bench = make_bench(100, **AUDIT)
    state = told(bench, **BEHIND)
    event = planned(bench, state)
    draws = {item.record_id for item in event.batch.items if item.draw}
    assert (len(event.batch.items), len(draws), len(event.fallback)) == (10, 2, 4)
    assert draws.isdisjoint(event.fallback)
    assert not set(event.fallback) & {*bench.tools.aside(state), *state.planned_ids}
    mixed_in = [item for item in event.batch.items if item.record_id in event.fallback]
    assert all(item.reason == REASON and item.suggestion is not None for item in mixed_in)
    assert event.why == edge_sentence(BEHIND)
    assert decode(*encode(event)) == event
    assert planned(bench, state).batch == event.batch  # a step that is repeated
    after = apply(state, event)
    assert fallen_back(after) == set(event.fallback)
    assert {item.record_id for item in selected_items(after)}.isdisjoint(event.fallback)


@pytest.mark.parametrize("figures", [{}, {**BEHIND, "audit.edge_high": 0.01}])
def test_as_long_as_it_is_not_seen_nothing_is_mixed_in(
    make_bench: MakeBench, figures: dict[str, float]
) -> None:
    bench = make_bench(100, **AUDIT)
    event = planned(bench, told(bench, **figures))
    assert (event.fallback, event.why) == ((), "")


def test_it_can_be_switched_off_and_is_said_all_the_same(make_bench: MakeBench) -> None:
    bench = make_bench(100, **{**AUDIT, "audit": {"random_share": 0.2, "fallback_share": 0}})
    state = told(bench, **BEHIND)
    assert planned(bench, state).fallback == ()
    (said,) = (one for one in cautions(state, bench.tools.config, None, "") if "behind" in one)
    assert (
        said
        == f"{grounds(state)} What would help: set `audit.fallback_share: 0.5`, and start again."
    )


def test_the_end_of_the_pool_is_reached(make_bench: MakeBench) -> None:
    bench = make_bench(30, **AUDIT)
    event = planned(bench, told(bench, **BEHIND))
    ids = [item.record_id for item in event.batch.items]
    assert len(ids) == len(set(ids)) == 10


def test_an_old_event_has_no_fall_back() -> None:
    batch = '{"id":"b","round":0,"strategy":"s","model_id":null,"items":[]}'
    text = f'{{"at":1.0,"batch":{batch},"seconds":1.0}}'
    event = decode("BatchPlanned", text)
    assert isinstance(event, BatchPlanned)
    assert (event.fallback, event.why) == ((), "")


class Learned:
    """A judge whose verdict depends on all that was learned, and on what is tested."""

    def right(self, learned: NDArray[np.int64], tested: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((tested * 7 + int(learned.sum())) % 3 == 0, dtype=np.bool_)


def in_batches(count: int) -> State:
    """Batches of eight chosen texts and two draws."""
    batches = tuple(
        Batch(
            f"b{n}",
            n,
            "x",
            None,
            tuple(BatchItem(PoolId(f"{10 * n + k}"), draw=k > 7) for k in range(10)),
        )
        for n in range(count)
    )
    return State(batches=batches)


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_come_late_change_nothing_that_was_said(seed: int) -> None:
    """A third of each batch is answered while up to three later ones are out."""
    rng = np.random.default_rng(seed)
    whole = in_batches(24)
    comes = {
        id_: batch.round + (int(rng.integers(1, 4)) if rng.random() < 0.3 else 0)
        for batch in whole.batches
        for id_ in batch.record_ids
    }
    said, counts = np.empty(0), []
    for number in range(len(whole.batches)):
        state = replace(whole, batches=whole.batches[: number + 1])
        rows = {id_: int(id_) for id_ in state.planned_ids if comes[id_] <= number}
        waiting = [id_ for id_ in state.external_ids if comes[PoolId(id_)] > number]
        told = differences(Learned(), list(settled_batches(state, rows, waiting)), 1)
        assert np.array_equal(told[: len(said)], said)
        said = told
        counts.append(len(told))
    assert counts[-1] >= 24
    assert len(set(counts)) > 10


def test_a_record_that_nobody_answers_is_not_waited_for_for_ever() -> None:
    whole = in_batches(12)
    open_id = whole.batches[2].external_ids[0]
    rows = {id_: int(id_) for id_ in whole.planned_ids if str(id_) != str(open_id)}
    for count in range(3, 12):
        state = replace(whole, batches=whole.batches[:count])
        told = list(settled_batches(state, rows, [open_id]))
        assert len(told) == (2 if count <= 2 + WAITED_FOR else count)
    assert [len(batch.selected) for batch in told] == [8, 8, 7, *[8] * 8]


def test_a_run_measures_it_round_by_round(make_bench: MakeBench) -> None:
    bench = make_bench(100, **{**AUDIT, "audit": {"random_share": 0.4}})
    state = bench.run_until(lambda _: False, diligent(bench))
    rounds = [e.audit for e in bench.events if isinstance(e, RoundEvaluated)]
    judged = [figures.get("audit.edge_draws") for figures in rounds]
    counts = [int(str(count)) for count in judged if count is not None]
    assert judged[0] is None
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] > 0
    last = rounds[-1]
    assert last["audit.edge_low"] <= last["audit.edge"] <= last["audit.edge_high"]  # type: ignore[operator]
    assert 0 <= last["audit.class_distance"] <= 1  # type: ignore[operator]
    assert "audit.chosen_disputed" not in last  # one answer for each text
    assert state.stopped is not None


SENTENCES = {
    "behind": (BEHIND, "Choosing is behind: its labels teach a cheap model 20 points less"),
    "ahead": (
        {**BEHIND, "audit.edge": 0.2, "audit.edge_low": 0.02, "audit.edge_high": 0.3},
        "Choosing pays: its labels teach a cheap model 20 points more than random ones (+2 to +30",
    ),
    "open": ({**BEHIND, "audit.edge_high": 0.3}, "Chosen labels cannot be told from random ones"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_one_sentence_says_what_is_seen(name: str) -> None:
    figures, beginning = SENTENCES[name]
    assert edge_sentence(figures).startswith(beginning)
    assert "differ" not in edge_sentence(figures)
    disputed = {"audit.chosen_disputed": 0.3, "audit.draws_disputed": 0.1}
    said = edge_sentence({**figures, **disputed})
    assert said.endswith(
        "People differ on 30 % of the chosen texts and on 10 % of the random ones."
    )
    assert edge_sentence({}) == ""


@pytest.mark.parametrize(
    ("classifier", "strategy", "size", "warned"),
    [
        ("frozen-head", "margin", 200, True),
        ("frozen-head", "entropy", 100, True),
        ("frozen-head", "least_confidence", 150, True),
        ("frozen-head", "auto", 200, False),
        ("frozen-head", "margin", 20, False),
        ("transformer", "margin", 200, False),
    ],
)
def test_the_set_up_that_lost_elsewhere_is_warned_of(
    make_bench: MakeBench, classifier: str, strategy: str, size: int, *, warned: bool
) -> None:
    config: Config = make_bench(20).tools.config
    sections = {
        "classifier": config.classifier.model_copy(update={"name": classifier}),
        "strategy": config.strategy.model_copy(update={"name": strategy}),
        "queue": config.queue.model_copy(update={"batch_size": size}),
    }
    assert bool(losing_setup(config.model_copy(update=sections))) is warned
