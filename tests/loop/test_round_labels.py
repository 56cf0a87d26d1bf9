"""Votes that a changed Argilla gives: spans behind the end of the pool's text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from loopd.config import TaskSection
from loopd.data.pool import Pool
from loopd.loop.round_labels import votes
from loopd.records import JsonValue, PoolId, Record, Span
from loopd.tasks.registry import build_task
from tests.annotation.states import answer, state


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
