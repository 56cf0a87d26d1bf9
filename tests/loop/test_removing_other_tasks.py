"""Texts leave a run whose people mark spans, or give several labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import targets
from loopd.loop.audit_in_force import in_force
from loopd.machine import Phase, fold
from loopd.metrics_log import writer as metrics_log
from loopd.records import JsonValue, published_as, text_of
from tests.learning.spans import conftest as spans
from tests.loop.growing import rows
from tests.loop.removing import RemovingRun, holders

TYPED = "somebody has typed the text of their own letter here"


@dataclass
class LabelledRun(RemovingRun):
    """Its people answer as they are told by id."""

    right: Mapping[str, JsonValue] = field(default_factory=dict)

    def answer(self) -> None:
        if self.people_rest:
            return
        for id_ in sorted(self.state.external_ids - self.state.deleted):
            if not any(key[0] == id_ for key in self.state.answers):
                self.store.submit(id_, "ann", self.right[text_of(id_)])

    def started_again(self) -> LabelledRun:
        again = super().started_again()
        assert isinstance(again, LabelledRun)
        again.right = self.right
        return again


def write(path: Path, texts: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *texts.items()])


def several_labels(folder: Path, **sections: Any) -> tuple[LabelledRun, dict[str, str]]:
    """A text has one label, both or none."""
    texts = {id_: f"{text}, as {id_} says" for id_, text, _ in rows(0, 48)}
    kinds: list[JsonValue] = [["fruit"], ["tool"], ["fruit", "tool"], ["none"]]
    right = {id_: kinds[number % 4] for number, id_ in enumerate(texts)}
    write(folder / "tickets" / "day1.csv", texts)
    task = {"type": "multi_label", "none_label": "none"}
    run = LabelledRun(folder, {"task": task, "stopping": {"max_rounds": 4}, **sections})
    run.right = right
    return run, texts


def marked_spans(folder: Path, **sections: Any) -> tuple[LabelledRun, dict[str, str]]:
    """People and places in sentences."""
    pool = spans.make_pool(48)
    texts = {str(record.id): record.text for record in pool}
    write(folder / "tickets" / "day1.csv", texts)
    defaults: dict[str, dict[str, Any]] = {
        "task": {"type": "spans", "labels": list(spans.LABELS)},
        "classifier": {"name": "transformer", "options": {**spans.QUICK, "min_steps": 4}},
        "strategy": {"name": "random_sampling", "cold_start": "random_sampling"},
        "stopping": {"max_rounds": 4},
    }
    run = LabelledRun(folder, {**defaults, **sections})
    run.right = {
        record.id: [span._asdict() for span in record.gold or ()]  # type: ignore[union-attr]
        for record in pool
    }
    return run, texts


KINDS = [
    pytest.param(several_labels, id="several labels"),
    pytest.param(marked_spans, id="spans", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    "audit", [{"folds": 2}, {"random_share": 0.4, "folds": 0}], ids=["folds", "draws"]
)
def test_nothing_is_left_and_the_run_goes_on_without_them(
    tmp_path: Path, make: Any, audit: dict[str, Any]
) -> None:
    run, texts = make(tmp_path, audit=audit)
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    state, before = run.state, dict(run.state.answers)
    answered = [text_of(key[0]) for key in before][:2]
    open_ = [id_ for id_ in state.batch.record_ids if not any(k[0] == id_ for k in before)]
    never = [id_ for id_ in texts if id_ not in state.planned_ids]
    gone = [*answered, open_[0], never[0]]
    run.store.submit(published_as(answered[0]), "bob", TYPED)
    run.people_rest = True
    for _ in range(3):
        run.turn()
    assert holders(run.run_dir, [TYPED])
    run.remove(*gone)
    assert holders(run.run_dir, [TYPED, *(texts[id_] for id_ in gone)]) == []
    again = run.started_again()
    assert again.state == run.state == fold(again.events)
    again.people_rest = False
    later = again.state.planned_ids
    again.run_until(lambda _: False)
    assert again.state.phase is Phase.DONE
    assert len(again.state.batches) > 2
    assert not (again.state.planned_ids - later) & set(gone)
    assert not {text_of(key[0]) for key in again.state.answers} & set(gone)
    assert not targets(again.state).keys() & set(gone)
    kept = {key: value for key, value in before.items() if text_of(key[0]) not in gone}
    assert kept.items() <= dict(again.state.answers).items()
    rounds = metrics_log.rows(again.state)
    assert all(0 <= float(str(row["measured"])) <= 1 for row in rounds if "measured" in row)
    assert any("measured" in row for row in rounds)
    assert in_force(again.config, again.state).task == again.config.task
    again.end()


@pytest.mark.parametrize("make", KINDS)
def test_the_model_that_waits_is_trained_again_without_them(tmp_path: Path, make: Any) -> None:
    run, texts = make(tmp_path)
    run.start()
    run.run_until(lambda state: state.phase is Phase.EVALUATE)
    id_ = text_of(next(iter(run.state.answers))[0])
    trained = run.state.trained[max(run.state.trained)]
    run.ask_to_remove(id_)
    run.run_until(lambda state: bool(state.evaluated))
    after = run.state.trained[max(run.state.trained)]
    assert (trained.labels - after.labels, trained.model_id == after.model_id) == (1, False)
    assert holders(run.run_dir, [texts[id_]]) == []
    run.end()
