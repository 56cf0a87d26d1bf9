"""A Prodigy export live: a run with its rejected lines is one with the accepted lines alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from loopd.machine import State
from loopd.oracle.oracle import OracleOptions, OracleTask
from loopd.records import AnswerStatus, Target
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, gold_of, make_pool
from tests.simulation.conftest import start

pytestmark = [pytest.mark.integration, pytest.mark.acceptance, pytest.mark.timeout(400)]

Line = dict[str, Any]

JUDGED = 50
"""Texts that somebody has seen in Prodigy; the other ten nobody has."""


def line(number: int, text: str) -> Line:
    """A suggestion that is right for every third text; what is wrong was rejected, or skipped."""
    right = number % 3 == 0
    label = gold_of(number) if right else gold_of(number + 1)
    answer = "accept" if right else "ignore" if number % 7 == 0 else "reject"
    return {
        "id": f"r{number:03d}",
        "text": text,
        "label": label,
        "answer": answer,
        "_view_id": "classification",
        "_annotator_id": "ann",
    }


def as_it_is(exported: Line) -> Line:
    return exported


def accepted_only(exported: Line) -> Line:
    kept = exported if exported["answer"] == "accept" else {}
    return {"id": exported["id"], "text": exported["text"], **kept}


def without_verdicts(exported: Line) -> Line:
    """What reading the labels alone makes of it."""
    return {**exported, "answer": "accept"}


@pytest.fixture
def run(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> Callable[[Callable[[Line], Line]], Daemon]:
    def end(change: Callable[[Line], Line]) -> Daemon:
        daemon = make_daemon(
            argilla,
            pool={"path": "pool.jsonl", "id": "id", "answers": "label"},
            stopping={"max_rounds": 1, "criteria": []},
        )
        texts = list(enumerate(make_pool(60).texts))
        lines = [change(line(number, text)) for number, text in texts[:JUDGED]]
        lines += [{"id": f"r{number:03d}", "text": text} for number, text in texts[JUDGED:]]
        rows = "".join(json.dumps(each) + "\n" for each in lines)
        (daemon.folder / "pool.jsonl").write_text(rows, encoding="utf-8")
        gold: dict[str, Target] = {
            record.id: record.gold for record in make_pool(60) if record.gold is not None
        }
        task = SingleLabelTask(LABELS, "label", "text", "Which label fits?")
        at_work = OracleTask(argilla.server.workspace, daemon.dataset, task, gold)
        people = start(argilla.url, argilla.owner_key, at_work, OracleOptions(poll_seconds=0.1))
        try:
            daemon.start()
            assert daemon.ended(120) == 0, daemon.log[-3000:]
        finally:
            people.stop.set()
            people.thread.join(30)
        return daemon

    return end


def imported(state: State) -> Mapping[str, object]:
    """What came with the pool, by record."""
    return {
        answer.external_id: answer.value
        for answer in state.answers.values()
        if answer.imported and answer.status is AnswerStatus.SUBMITTED
    }


@pytest.mark.slow
def test_rejected_lines_change_nothing(run: Callable[[Callable[[Line], Line]], Daemon]) -> None:
    whole, accepted, blind = run(as_it_is), run(accepted_only), run(without_verdicts)
    right = {f"r{number:03d}": gold_of(number) for number in range(0, JUDGED, 3)}
    assert imported(whole.state) == imported(accepted.state) == right
    assert whole.state.answers.keys() == accepted.state.answers.keys()
    (one,), (other,), (worse,) = whole.rows, accepted.rows, blind.rows
    assert (one["labels"], one["accuracy"]) == (other["labels"], other["accuracy"])
    assert one["accuracy"] == 1.0
    assert worse["accuracy"] < 0.6  # the verdicts are what makes the difference
