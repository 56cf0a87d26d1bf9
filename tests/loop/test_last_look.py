"""In a large dataset the open batches are read alone; what is overlooked counts at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from loopd.annotation.store import Sweep
from loopd.errors import TransientError
from loopd.events import BatchCollected, BatchPlanned, RunResumed, RunStopped
from loopd.loop.account_watch import AccountWatch
from loopd.loop.batch_closing import LAST_LOOKS
from loopd.loop.steps import STEPS
from loopd.machine import Phase, State
from loopd.records import Batch, ExternalId
from tests.loop.conftest import Bench, MakeBench, gold

LISTED, SECONDS = 10_000, 7.0
"""Records of the dataset, and for how long Argilla lists them."""


def make_large(bench: Bench) -> list[float]:
    """Let a full look take its time; when each began."""
    sweep, looks = bench.people.sweep, []

    def slow(external_ids: Collection[ExternalId]) -> Sweep:
        looks.append(bench.now[0])
        bench.now[0] += SECONDS
        whole: Sweep = sweep(external_ids)
        return replace(whole, listed=LISTED)

    bench.people.sweep = slow
    return looks


@pytest.fixture
def bench(make_bench: MakeBench, place: str, request: pytest.FixtureRequest) -> Bench:
    """In memory, with a clock that full looks move."""
    if place != "memory":
        pytest.skip("a large dataset is played")
    stopping = getattr(request, "param", {"max_rounds": 2})
    return make_bench(queue={"batch_size": 6, "sweep_interval": 30}, stopping=stopping)


def answer(bench: Bench, *, all_but: int = 0) -> None:
    waiting = bench.people.open_records("ann")
    for record_id in waiting[: len(waiting) - all_but]:
        bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))


def in_last_round(state: State) -> bool:
    return state.phase is Phase.COLLECT and state.round == 1


def edit_of_closed(bench: Bench) -> tuple[ExternalId, str]:
    """Somebody changes the answer on a record of the first batch; its record and new label."""
    name = bench.state.batches[0].external_ids[0]
    wrong = "tool" if gold(bench.tools.data.pool, name) == "fruit" else "fruit"
    bench.people.submit(name, "ann", wrong)
    return name, wrong


def test_an_edit_of_a_closed_batch_counts_before_the_last_batch_ends(bench: Bench) -> None:
    make_large(bench)
    bench.run_until(in_last_round, lambda: answer(bench))
    name, label = edit_of_closed(bench)
    after = bench.run_until(lambda _: False, lambda: answer(bench))
    assert after.answers[(name, "ann")].value == label
    kinds = [type(event) for event in bench.events]
    last_close = max(n for n, kind in enumerate(kinds) if kind is BatchCollected)
    edits = [
        n
        for n, event in enumerate(bench.events)
        if any(one.external_id == name for one in getattr(event, "answers", ()))
    ]
    assert edits[-1] < last_close, "the last model is trained on it"


@pytest.mark.parametrize("bench", [{"target_accuracy": 0.5, "patience": 1}], indirect=True)
def test_an_edit_counts_where_a_measure_ends_the_run(bench: Bench) -> None:
    """Nobody can know before the round is measured that it is the last one."""
    looks = make_large(bench)
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: answer(bench))
    name, label = edit_of_closed(bench)
    so_far = len(looks)
    after = bench.run_until(lambda _: False, lambda: None)
    assert after.stopped is not None
    assert after.stopped.reason == "target_accuracy"
    assert after.answers[(name, "ann")].value == label
    assert isinstance(bench.events[-1], RunStopped)
    assert len(looks) == so_far + 2, "and once more, as there was news"


@pytest.mark.parametrize("bench", [{"target_accuracy": 0.5, "patience": 1}], indirect=True)
def test_who_never_stops_editing_does_not_keep_the_run_from_its_end(bench: Bench) -> None:
    make_large(bench)
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: answer(bench))
    sweep, looks = bench.people.sweep, []

    def edited(external_ids: Collection[ExternalId]) -> Sweep:
        name = bench.state.batches[0].external_ids[0]
        before = bench.state.answers[(name, "ann")].value
        looks.append("tool" if before == "fruit" else "fruit")
        bench.people.submit(name, "ann", looks[-1])
        whole: Sweep = sweep(external_ids)
        return whole

    bench.people.sweep = edited
    so_far = len(bench.events)
    after = bench.run_until(lambda _: False, lambda: None, steps=20)
    assert len(looks) == LAST_LOOKS
    *edits, last = bench.events[so_far:]
    assert isinstance(last, RunStopped)
    assert [one.value for edit in edits for one in getattr(edit, "answers", ())] == looks
    assert after.answers[(bench.state.batches[0].external_ids[0], "ann")].value == looks[-1]


@pytest.mark.parametrize("bench", [{"target_accuracy": 0.5, "patience": 1}], indirect=True)
def test_a_hiccup_of_argilla_skips_no_last_look(bench: Bench) -> None:
    make_large(bench)
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: answer(bench))
    name, label = edit_of_closed(bench)
    sweep = bench.people.sweep

    def cut(_external_ids: Collection[ExternalId]) -> Sweep:
        raise TransientError("cut")

    bench.people.sweep = cut
    with pytest.raises(TransientError):
        bench.run_until(lambda _: False, lambda: None)
    bench.people.sweep = sweep
    after = bench.run_until(lambda _: False, lambda: None)
    assert after.answers[(name, "ann")].value == label


@pytest.mark.parametrize("bench", [{"target_accuracy": 0.5, "patience": 1}], indirect=True)
def test_what_is_unclear_is_looked_at_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account may have been deleted between two pages: only another sweep can tell."""
    make_large(bench)
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: answer(bench))
    name, label = edit_of_closed(bench)
    departed = AccountWatch.departed
    unclear = iter((True, False, False, False))

    def halfway(self: AccountWatch, state: State, sweep: Sweep) -> frozenset[str] | None:
        return None if next(unclear) else departed(self, state, sweep)

    monkeypatch.setattr(AccountWatch, "departed", halfway)
    after = bench.run_until(lambda _: False, lambda: None)
    assert after.answers[(name, "ann")].value == label


@pytest.mark.parametrize("bench", [{"label_budget": 60}], indirect=True)
def test_an_edit_counts_where_the_pool_ends_the_run(bench: Bench) -> None:
    make_large(bench)
    done = len(bench.tools.data.pool)
    bench.run_until(lambda state: len(state.planned_ids) == done, lambda: answer(bench))
    bench.run_until(lambda state: state.phase is Phase.TRAIN, lambda: answer(bench))
    name, label = edit_of_closed(bench)
    after = bench.run_until(lambda _: False, lambda: answer(bench))
    assert after.stopped is not None
    assert after.answers[(name, "ann")].value == label


@pytest.mark.parametrize("bench", [{"label_budget": 6}], indirect=True)
def test_a_run_that_goes_on_learns_from_what_came_last(bench: Bench) -> None:
    """All labels of one class: nothing can be trained on them, so the next batch is a cold one."""
    make_large(bench)
    bench.run_until(lambda state: state.phase is Phase.DECIDE, lambda: answer(bench))
    for name in bench.state.batches[0].external_ids:
        bench.people.submit(name, "ann", "fruit")
    bench.run_until(lambda _: False, lambda: None)
    now = bench.now[0]
    bench.state = bench.loop.record(
        bench.state, RunResumed(now, "another", "the budget was raised")
    )
    assert bench.state.phase is Phase.DECIDE
    config = bench.tools.config
    raised = config.stopping.model_copy(update={"label_budget": 12})
    tools = replace(bench.tools, config=config.model_copy(update={"stopping": raised}))
    event = STEPS[Phase.DECIDE](bench.state, tools)
    assert isinstance(event, BatchPlanned)
    assert event.batch.model_id is None


def test_a_deleted_record_does_not_hold_the_last_batch_up(bench: Bench) -> None:
    """It is neither found nor opened again: only a full look tells that it is gone."""
    looks = make_large(bench)
    bench.run_until(in_last_round, lambda: answer(bench))
    look_out: Callable[[], None] = lambda: answer(bench, all_but=1)  # noqa: E731
    bench.run_until(lambda state: len(state.answers) == 11, look_out)
    bench.people.delete(bench.people.open_records("ann")[0])
    began, so_far = bench.now[0], len(looks)
    after = bench.run_until(lambda state: state.phase is Phase.TRAIN, lambda: None)
    assert len(after.deleted) == 1
    assert bench.now[0] - began < 120
    assert len(looks) - so_far <= 3


def test_looks_are_partial_here(bench: Bench) -> None:
    make_large(bench)
    partial, parts = bench.people.sweep_batches, []

    def noted(batches: Collection[Batch]) -> Sweep:
        parts.append(len(batches))
        sweep: Sweep = partial(batches)
        return sweep

    bench.people.sweep_batches = noted
    bench.run_until(in_last_round, lambda: answer(bench))
    assert parts
