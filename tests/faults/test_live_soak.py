"""Seeded histories with real processes: ``kill -9`` of daemon and Argilla, a line that fails.

``python -m tests.faults SEED --live`` tells one of them.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.checker import check
from tests.faults.evidence import Evidence
from tests.faults.live_history import LINE, LiveHistory, draw_live, run_live_seed
from tests.faults.nursery import Nursery
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS
from tests.servers import PROCESS

CHUNK = 5
ALL = 100
SHORT = 24
"""The seed in the default selection: a kill, a line with garbage, nothing that takes long."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.crash,
    pytest.mark.needs(PROCESS),
    pytest.mark.timeout(1200),
]


def an_answer_differs(evidence: Evidence) -> Evidence:
    id_ = min(id_ for id_, record in evidence.store.items() if record.answers)
    record = evidence.store[id_]
    turned = dict.fromkeys(record.answers, ("submitted", "another label"))
    return replace(evidence, store={**evidence.store, id_: replace(record, answers=turned)})


def a_record_is_gone(evidence: Evidence) -> Evidence:
    first = min(evidence.store.keys() - evidence.doings.removed)
    kept = {id_: record for id_, record in evidence.store.items() if id_ != first}
    return replace(evidence, store=kept)


def texts_are_swapped(evidence: Evidence) -> Evidence:
    one, other = sorted(evidence.store)[:2]
    swapped = {
        one: replace(evidence.store[one], text=evidence.store[other].text),
        other: replace(evidence.store[other], text=evidence.store[one].text),
    }
    return replace(evidence, store={**evidence.store, **swapped})


def a_label_is_turned(evidence: Evidence) -> Evidence:
    turned = {
        name: replace(lesson, targets=dict.fromkeys(lesson.targets, LABELS[0]))
        for name, lesson in evidence.lessons.items()
    }
    return replace(evidence, lessons=turned)


def a_record_is_planned_again(evidence: Evidence) -> Evidence:
    rows = copy.deepcopy(evidence.journal)
    batches = [payload["batch"] for name, payload in rows if name == "BatchPlanned"]
    batches[1]["items"].append(batches[0]["items"][0])
    return replace(evidence, journal=rows)


def a_row_comes_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, metrics=(*evidence.metrics, evidence.metrics[-1]))


def a_row_says_something_else(evidence: Evidence) -> Evidence:
    first, *others = evidence.metrics
    return replace(evidence, metrics=({**first, "open": 99}, *others))


def a_batch_was_closed_later(evidence: Evidence) -> Evidence:
    closed = dict(evidence.closed)
    closed[min(closed)] = max(closed.values()) + 1000
    return replace(evidence, closed=closed)


FORGERIES = {
    an_answer_differs: checker.ANSWERS,
    a_batch_was_closed_later: checker.LATE,
    a_label_is_turned: checker.TRAINING,
    a_record_is_planned_again: checker.TWICE,
    a_record_is_gone: checker.LOST,
    texts_are_swapped: checker.LOST,
    a_row_comes_twice: checker.METRICS,
    a_row_says_something_else: checker.REPLAY,
}
"""What the checker must say of evidence that was changed afterwards."""


def chunks() -> list[object]:
    return [
        pytest.param(
            range(start, start + CHUNK),
            marks=pytest.mark.slow,
            id=f"seeds-{start}-to-{start + CHUNK - 1}",
        )
        for start in range(0, ALL, CHUNK)
    ]


def test_one_history_on_a_real_argilla_and_what_the_checker_says_of_forgeries(
    argilla: LiveArgilla, nursery: Nursery, tmp_path: Path
) -> None:
    history = LiveHistory(draw_live(SHORT), tmp_path, argilla, nursery)
    violations = history.run()
    assert not violations, "\n".join(map(str, violations))
    evidence = history.evidence()
    assert len(evidence.lessons) >= 2
    assert any(record.answers for record in evidence.store.values())
    for forge, invariant in FORGERIES.items():
        found = {each.invariant for each in check(forge(evidence))}
        assert invariant in found, forge.__name__


@pytest.mark.slow
def test_a_real_daemon_that_writes_answers_down_no_more_is_found_out(
    argilla: LiveArgilla, nursery: Nursery, tmp_path: Path
) -> None:
    plan = replace(draw_live(SHORT), forgets=6)
    found = LiveHistory(plan, tmp_path, argilla, nursery).run()
    assert checker.REPLAY in {each.invariant for each in found}, found


@pytest.mark.parametrize("seeds", chunks())
def test_nothing_is_lost_on_a_real_argilla(
    seeds: range, argilla: LiveArgilla, nursery: Nursery, tmp_path: Path
) -> None:
    found = [each for seed in seeds for each in run_live_seed(seed, tmp_path, argilla, nursery)]
    assert not found, "\n".join(map(str, found))


def test_the_plans_hold_every_kind_of_fault() -> None:
    plans = [draw_live(seed) for seed in range(ALL)]
    kinds = {what for plan in plans for _, what in plan.faults}
    lines = {kind for kind in kinds if kind.startswith("line ")}
    assert kinds - lines == {"kill", "disk", "server"}
    assert lines == {f"line {mode}" for mode in LINE}
    assert any(kill for plan in plans for kill in plan.kills)
    assert any(clock for plan in plans for clock in plan.clocks)
