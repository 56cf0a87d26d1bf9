"""What the votes of a round come to: spans that a text lacks, and labels that teach no model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loopd.annotation.consensus import targets
from loopd.config import TaskSection
from loopd.data.pool import Pool
from loopd.loop.round_labels import votes
from loopd.machine import Phase
from loopd.records import JsonValue, PoolId, Record, Span
from loopd.tasks.registry import build_task
from tests.annotation.states import answer, state
from tests.loop.conftest import Bench, MakeBench, gold


@pytest.fixture
def place() -> str:
    return "memory"


def test_spans_on_a_text_that_grew_in_argilla_do_not_count() -> None:
    pool = Pool((Record(PoolId("r0"), "Ann sings."), Record(PoolId("r1"), "Bo sings.")))
    task = build_task(TaskSection.model_validate({"type": "spans", "labels": ["person", "place"]}))
    relabel = SimpleNamespace(another_person=True)
    tools: Any = SimpleNamespace(
        config=SimpleNamespace(relabel=relabel), task=task, data=SimpleNamespace(pool=pool)
    )
    inside: JsonValue = [{"start": 0, "end": 3, "label": "person"}]
    outside: JsonValue = [{"start": 8, "end": 14, "label": "place"}]
    found = votes(
        state(
            "r0 r1",
            answer("r0", "p", inside),
            answer("r0", "q", outside),
            answer("r1", "p", outside),
        ),
        tools,
    )
    assert {id_: [vote.annotator for vote in given] for id_, given in found.items()} == {
        "r0": ["p"]
    }
    assert found[PoolId("r0")][0].target == (Span(0, 3, "person"),)


def test_without_a_model_to_weigh_them_votes_count_by_majority(make_bench: MakeBench) -> None:
    """All say `fruit`, from which nothing can be learned: a second batch comes all the same."""
    crowdlab = {"strategy": "crowdlab", "folds": 2}
    bench = make_bench(consensus=crowdlab, queue={"batch_size": 6, "min_submitted": 2})

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", "fruit")
            bench.people.submit(id_, "bob", "fruit")

    before = bench.run_until(lambda state: state.phase is Phase.TRAIN, act)
    labels = bench.tools.resolver.consensus(before, bench.tools).targets
    assert labels == targets(before) == dict.fromkeys(before.batch.record_ids, "fruit")
    after = bench.run_until(lambda state: state.round == 1, act)
    assert not after.trained
    assert after.batch.model_id is None
    assert learned(bench)


def learned(bench: Bench) -> bool:
    """Whether a model is trained once people answer as they should."""

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            for person in ("ann", "bob"):
                bench.people.submit(id_, person, gold(bench.tools.data.pool, id_))

    return bool(bench.run_until(lambda state: bool(state.trained), act).trained)
