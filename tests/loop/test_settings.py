"""Settings that people change in Argilla while the run works: adopted or said, never waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import DatasetSettings
from loopd.events import RunResumed, SettingsAdopted
from loopd.loop.settings_watch import SettingsWatch, changed
from loopd.machine import Phase, State, apply, fold
from loopd.tasks.single_label import SingleLabelTask
from tests.loop.conftest import Bench, MakeBench, gold

BEFORE = DatasetSettings(
    min_submitted=2,
    guidelines="Read.",
    fields={"text": "text"},
    questions={"label": "label_selection, required"},
    label_texts={"fruit": "Fruit", "tool": "Tool"},
    people=frozenset({"ann", "bob"}),
)


def change_needed(bench: Bench, number: int) -> None:
    """Somebody sets the minimum of submitted responses on the settings page."""
    if isinstance(bench.people, MemoryStore):
        bench.people.changed_settings = replace(BEFORE, min_submitted=number)
    else:
        distribution = {"strategy": "overlap", "min_submitted": number}
        bench.people.change_dataset(distribution=distribution)


def answer_next(bench: Bench, person: str) -> None:
    for record_id in bench.people.open_records(person):
        bench.people.submit(record_id, person, gold(bench.tools.data.pool, record_id))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(2, 1, marks=pytest.mark.whatever_the_store),
        (1, 2),
        pytest.param(2, 3, marks=pytest.mark.slow),
    ],
)
def test_the_run_goes_on_with_what_argilla_asks_for(
    make_bench: MakeBench, before: int, after: int
) -> None:
    bench = make_bench(queue={"batch_size": 6, "min_submitted": before, "sweep_interval": 1})
    change_needed(bench, before)
    people = ("ann", "bob", "cyd")
    crowd = [people[:before]]

    def act() -> None:
        for person in crowd[0]:
            answer_next(bench, person)

    bench.run_until(lambda state: state.round == 1 and state.phase is Phase.COLLECT, act)
    change_needed(bench, after)
    crowd[0] = people[:after]
    state = bench.run_until(lambda _: False, act)
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    assert [e.min_submitted for e in bench.events if isinstance(e, SettingsAdopted)] == [after]
    assert state.answers_needed(before) == after
    last = set(state.batch.external_ids)
    counts = {id_: sum(key[0] == id_ for key in state.answers) for id_ in last}
    assert set(counts.values()) == {after}
    assert fold(bench.events) == state


def test_a_record_that_needs_fewer_answers_now_is_not_waited_for(make_bench: MakeBench) -> None:
    """Without adopting it, this run would wait for ever: nobody is shown a completed record."""
    bench = make_bench(queue={"batch_size": 6, "min_submitted": 2, "sweep_interval": 1})
    change_needed(bench, 2)
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    answer_next(bench, "ann")
    for _ in range(3):
        bench.now[0] += 5
        assert bench.run_until(lambda state: bool(state.answers), lambda: None).round == 0
    change_needed(bench, 1)
    bench.now[0] += 5
    state = bench.run_until(lambda state: 0 in state.trained, lambda: None)
    assert state.collected[0].reason == "complete"


@pytest.mark.whatever_the_store
def test_a_dataset_that_always_asked_for_more_is_not_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(queue={"batch_size": 6, "sweep_interval": 1})
    change_needed(bench, 3)
    state = bench.run_until(lambda state: 0 in state.trained, lambda: answer_next(bench, "ann"))
    assert state.min_submitted is None


def test_a_new_configuration_counts_again() -> None:
    state = State(phase=Phase.COLLECT, min_submitted=1)
    assert apply(state, RunResumed(1.0, "d", "n")).answers_needed(3) == 3


@pytest.mark.parametrize(
    ("change", "words", "harmless"),
    [
        ({"guidelines": "Read twice."}, "guidelines were edited", True),
        ({"fields": {**BEFORE.fields, "Ünder": "text"}}, "field `Ünder` (text) was added", True),
        (
            {"questions": {**BEFORE.questions, "why": "text, required"}},
            "question `why` (text, required) was added",
            True,
        ),
        ({"questions": {}}, "question `label` is gone", False),
        (
            {"questions": {"label": "label_selection"}},
            "question `label` was label_selection, required and is label_selection",
            True,
        ),
        (
            {"label_texts": {"fruit": "Obst", "tool": "Tool"}},
            "`fruit` now reads 'Obst'",
            True,
        ),
        ({"people": frozenset({"ann"})}, "bob left the workspace: 1 accounts are left", False),
        ({"people": frozenset[str]()}, "nobody is left to answer", False),
        ({"people": BEFORE.people | {"cyd"}}, "cyd can answer now", True),
    ],
)
def test_every_change_is_said(change: dict[str, Any], words: str, harmless: bool) -> None:
    (said,) = changed(BEFORE, replace(BEFORE, **change))
    assert words in said.sentence
    assert said.harmless is harmless
    store = MemoryStore(SingleLabelTask(("fruit", "tool"), "label", "text", "Which?"))
    store.changed_settings = BEFORE
    now = [0.0]
    watch = SettingsWatch(store, 2, 30.0, lambda: now[0])
    with capture_logs() as logs:
        for settings in (BEFORE, replace(BEFORE, **change), replace(BEFORE, **change)):
            store.changed_settings = settings
            now[0] += 31
            assert watch.look(State(), 0.0) is None
    (line,) = logs
    assert words in line["says"]
    assert line["log_level"] == ("info" if harmless else "warning")
