"""Spans without a test set from a file: by cross-validation, by draws, by people's own test set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loopd.loop.measuring import _of_all, _of_classes
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.measured import ASKED, CROSS, DRAWS, measured
from loopd.overview.wording import unmeasured
from loopd.records import PoolId, Span, Target
from loopd.storage.codec import decode, encode
from tests.learning.spans.conftest import LABELS, QUICK, make_pool
from tests.loop.conftest import Bench, _assemble, _in_memory
from tests.loop.test_measured import untested


def spans_bench(folder: Path, **sections: Any) -> Bench:
    settings: dict[str, Any] = {
        "run": {"dir": "spans", "seed": 3},
        "task": {"type": "spans", "labels": list(LABELS)},
        "pool": {"path": "unused.csv"},
        "classifier": {"name": "transformer", "options": {**QUICK, "min_steps": 4}},
        "strategy": {"name": "random_sampling", "cold_start": "random_sampling"},
        "queue": {"batch_size": 20, "low_watermark": 0},
        **sections,
    }
    parts = partial(_in_memory, completes=False)
    return untested(_assemble(settings, make_pool(120), folder, parts))


def marked(bench: Bench, id_: str) -> list[dict[str, object]]:
    spans = bench.tools.data.pool[PoolId(id_)].gold or ()
    return [span._asdict() for span in spans if isinstance(span, Span)]


def finished(bench: Bench) -> State:
    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", marked(bench, id_))

    state = bench.run_until(lambda state: state.phase is Phase.DONE, act)
    assert fold(decode(*encode(event)) for event in bench.events) == state
    return state


def test_cross_validation_and_then_draws(tmp_path: Path) -> None:
    audit = {"random_share": 0.5, "folds": 2}
    bench = spans_bench(tmp_path, audit=audit, stopping={"max_rounds": 2})
    rows = metrics_log.rows(finished(bench))
    assert [row["measured_by"] for row in rows] == [CROSS, DRAWS]
    for row in rows:
        low, value, high = (float(str(row[f"measured{end}"])) for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
        assert high > low


def test_a_test_set_that_people_label(tmp_path: Path) -> None:
    bench = spans_bench(tmp_path, test={"ask": 20}, stopping={"max_rounds": 1})
    (row,) = metrics_log.rows(finished(bench))
    assert (row["measured_by"], row["measured_on"], row["metric"]) == (ASKED, 20, "f1")
    assert row["measured"] == row["f1"]


@pytest.mark.parametrize("marked_texts", [0, 4, 5])
def test_where_hardly_anything_is_marked_nothing_is_said(marked_texts: int, tmp_path: Path) -> None:
    tools = spans_bench(tmp_path).tools
    gold = [(Span(0, 3, LABELS[0]),)] * marked_texts + [()] * 20
    told = _of_all(tools, gold, [()] * len(gold))
    if marked_texts < 5:
        assert told["f1"] is told["f1_low"] is told["f1_high"] is None
        assert measured({**told, "test_size": 20}) is None
        assert unmeasured([{**told, "labels": 30}]).startswith("not enough texts are marked")
    else:
        assert told["f1"] == told["f1_low"] == 0
        assert 0 < float(str(told["f1_high"])) < 1
    assert _of_classes(tools, gold, [()] * len(gold)) == (
        {"macro_f1": 0.0, f"f1.{LABELS[0]}": 0.0} if marked_texts == 5 else {}
    )


def test_the_mean_of_the_classes_is_of_those_that_are_shown(tmp_path: Path) -> None:
    tools = spans_bench(tmp_path).tools
    often, seldom = (Span(0, 3, label) for label in LABELS[:2])
    gold: list[Target] = [*[(often,)] * 6, *[(seldom,)] * 2]
    guesses: list[Target] = [*[(often,)] * 6, (), ()]
    assert _of_classes(tools, gold, guesses) == {"macro_f1": 1.0, f"f1.{LABELS[0]}": 1.0}
