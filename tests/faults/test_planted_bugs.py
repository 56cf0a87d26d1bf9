"""The checker's own test: a bug planted for each invariant is reported under its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.annotation import record_schema
from loopd.annotation.consensus import unresolved
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import Sweep
from loopd.events import AnswersCollected, Event
from loopd.learning.learner import BatchChoice, Learner
from loopd.learning.training_sets import TrainingSets
from loopd.loop import collecting, steps
from loopd.loop.run import Loop
from loopd.loop.visibility import VisibilityCheck
from loopd.machine import State, apply
from loopd.metrics_log import writer as metrics_log
from loopd.records import Batch, BatchItem, PoolId, Targets
from tests.faults import checker
from tests.faults.history import run_seed
from tests.guard import MARK

SEEDS = range(16)
"""In some of these each bug must show."""

Patch = pytest.MonkeyPatch


def an_edit_is_ignored(patch: Patch) -> None:
    patch.setattr(collecting, "_differs", lambda known, answer: known is None)


def a_withdrawal_is_ignored(patch: Patch) -> None:
    patch.setattr(collecting, "_withdrawn", lambda answer: answer)


def older_batches_wait_for_the_next_round(patch: Patch) -> None:
    """Once the open batch has an answer, nothing else is read until the next one."""
    real = collecting.changes

    def changes(state: State, sweep: Sweep, now: float, **options: Any) -> AnswersCollected | None:
        event = real(state, sweep, now, **options)
        mine = set(state.batch.external_ids) if state.batches else set()
        if event is None or not any(id_ in mine for id_, _ in state.answers):
            return event
        read = tuple(answer for answer in event.answers if answer.external_id in mine)
        return replace(event, answers=read) if read else None

    patch.setattr(steps, "changes", changes)


def labels_by_position(patch: Patch) -> None:
    real = TrainingSets.aligned

    def aligned(self: TrainingSets, targets: Targets) -> Any:
        positions, _ = real(self, targets)
        return positions, self.problem.encode(list(targets.values())[::-1])

    patch.setattr(TrainingSets, "aligned", aligned)


def a_text_is_left_out_of_training(patch: Patch) -> None:
    real = TrainingSets.aligned

    def aligned(self: TrainingSets, targets: Targets) -> Any:
        positions, y = real(self, targets)
        return positions[:-1], np.asarray(y)[:-1]

    patch.setattr(TrainingSets, "aligned", aligned)


def a_record_of_an_old_batch_again(patch: Patch) -> None:
    real = Learner.choose

    def choose(self: Learner, *arguments: Any, **options: Any) -> BatchChoice:
        found = real(self, *arguments, **options)
        old = sorted(options["targets"])[0]
        return replace(found, items=(*found.items[:-1], BatchItem(old)))

    patch.setattr(Learner, "choose", choose)


def publish_drops_the_last(patch: Patch) -> None:
    real = MemoryStore.publish

    def publish(self: MemoryStore, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[str]:
        return real(self, replace(batch, items=batch.items[:-1] or batch.items), texts)

    patch.setattr(MemoryStore, "publish", publish)


def publish_under_another_batch(patch: Patch) -> None:
    real = MemoryStore.publish

    def publish(self: MemoryStore, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[str]:
        return real(self, replace(batch, id="b0000"), texts)

    patch.setattr(MemoryStore, "publish", publish)


def the_wrong_text_under_an_id(patch: Patch) -> None:
    real = MemoryStore.publish

    def publish(self: MemoryStore, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[str]:
        turned = dict(zip(texts, reversed(list(texts.values())), strict=True))
        return real(self, batch, turned)

    patch.setattr(MemoryStore, "publish", publish)


def a_row_of_metrics_twice(patch: Patch) -> None:
    real = metrics_log._add
    patch.setattr(metrics_log, "_add", lambda path, line, before: real(path, 2 * line, before))


def an_older_row_is_overwritten(patch: Patch) -> None:
    real = metrics_log._add

    def add(path: Path, line: bytes, before: bytes) -> bool:
        was_added = real(path, line, before)
        rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
        labels = rows[-1]["labels"]
        text = "".join(f"{json.dumps({**row, 'labels': labels})}\n" for row in rows)
        path.write_text(text, encoding="utf-8")
        return was_added

    patch.setattr(metrics_log, "_add", add)


def a_state_without_an_event(patch: Patch) -> None:
    real = Loop.record

    def record(self: Loop, state: State, event: Event) -> State:
        if isinstance(event, AnswersCollected) and len(state.answers) > 5:
            return apply(state, event)
        return real(self, state, event)

    patch.setattr(Loop, "record", record)


def a_discard_blocks_a_batch(patch: Patch) -> None:
    real = unresolved

    def blocking(state: State, needed: int, **options: Any) -> frozenset[str]:
        return real(state, needed, **options) | {
            id_ for (id_, _), answer in state.answers.items() if answer.status == "discarded"
        }

    patch.setattr(steps, "unresolved", blocking)


def lost_documents_are_not_missed(patch: Patch) -> None:
    """What people are not shown waits for ever."""
    patch.setattr(VisibilityCheck, "look", lambda *_: None)


def metadata_are_replaced_whole(patch: Patch) -> None:
    """What loopd did before it was a guest."""

    def merge(stored: Any, batch: Batch, position: int) -> None:
        stored.metadata = {**record_schema.metadata(batch, position), MARK: "memory"}
        stored.suggestion = batch.items[position].suggestion

    patch.setattr(MemoryStore, "_merge", staticmethod(merge))


def a_batch_is_put_on_somebodys_record(patch: Patch) -> None:
    real = MemoryStore.publish

    def publish(self: MemoryStore, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[str]:
        left_out = real(self, batch, texts)
        first = next(iter(self._dataset().values()))
        MemoryStore._merge(first, batch, 0)
        return left_out

    patch.setattr(MemoryStore, "publish", publish)


BUGS = {
    metadata_are_replaced_whole: checker.GUESTS,
    an_edit_is_ignored: checker.ANSWERS,
    a_withdrawal_is_ignored: checker.ANSWERS,
    older_batches_wait_for_the_next_round: checker.LATE,
    labels_by_position: checker.TRAINING,
    a_text_is_left_out_of_training: checker.TRAINING,
    the_wrong_text_under_an_id: checker.TRAINING,
    a_record_of_an_old_batch_again: checker.TWICE,
    publish_drops_the_last: checker.LOST,
    publish_under_another_batch: checker.LOST,
    a_row_of_metrics_twice: checker.METRICS,
    an_older_row_is_overwritten: checker.METRICS,
    a_state_without_an_event: checker.REPLAY,
    a_discard_blocks_a_batch: checker.PROGRESS,
    lost_documents_are_not_missed: checker.PROGRESS,
    a_batch_is_put_on_somebodys_record: checker.GUESTS,
}


FIRST = {a_withdrawal_is_ignored: 6, older_batches_wait_for_the_next_round: 1}
"""Seeds in which bugs have shown, where it was not the first: these are tried before the others."""

IN_MAKE_TEST = 5
"""So many bugs are planted in `make test`, all of them in `make check-full`."""

CASES = [
    pytest.param(bug, id=bug.__name__, marks=[pytest.mark.slow] if place >= IN_MAKE_TEST else [])
    for place, bug in enumerate(BUGS)
]


@pytest.mark.parametrize("bug", CASES)
def test_a_planted_bug_is_reported(bug: Any, tmp_path: Path, monkeypatch: Patch) -> None:
    bug(monkeypatch)
    for seed in sorted(SEEDS, key=lambda seed: seed != FIRST.get(bug, 0)):
        found = run_seed(seed, tmp_path / str(seed))
        if BUGS[bug] in {each.invariant for each in found}:
            assert f"seed {seed}: {BUGS[bug]}: " in "\n".join(map(str, found))
            return
    pytest.fail(f"no seed of {SEEDS} reports {BUGS[bug]}")
