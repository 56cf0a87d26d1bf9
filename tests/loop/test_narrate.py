"""What the log says of each event, and of how many records are kept open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.events import (
    AnswersCollected,
    BatchCollected,
    Event,
    PoolChanged,
    RecordsReopened,
    RunResumed,
    RunStopped,
    SettingsAdopted,
)
from loopd.loop.narrate import ObstacleNotes, narrate
from loopd.machine import Phase, State, fold
from loopd.records import AnswerStatus, ExternalId, JsonValue, PoolId
from tests.loop.test_queue import ids, make_state, steady
from tests.monitoring.story import ANN, BOB, START, answer, opening, posted, settings, story

Line = dict[str, Any]


def lines_of(event: Event, before: Sequence[Event] = ()) -> list[Line]:
    """What is logged of an event that comes after these."""
    state = fold([*before, event])
    with capture_logs() as lines:
        narrate(event, state)
    assert {line.pop("part") for line in lines} <= {"loop"}
    return [dict(line) for line in lines]


def logged(level: str, event: str, number: int, **fields: JsonValue) -> Line:
    """A line of a round."""
    return {"log_level": level, "event": event, "round": number, **fields}


OPEN = story(1, 0)
"""One round, and the second batch is out."""

NAMES = [f"r{number:03d}" for number in range(4, 11)]
RECORDS = tuple(map(ExternalId, NAMES))
TEXTS = tuple(map(PoolId, NAMES))

CASES: dict[str, tuple[Event, Sequence[Event], Line]] = {
    "the run began": (opening(), (), logged("info", "run_started", -1, config="d1", classes=2)),
    "it is over": (
        RunStopped(START, "max_rounds"),
        story(1)[:-3],
        logged("info", "run_stopped", 0, reason="max_rounds"),
    ),
    "it goes on": (
        RunResumed(START, "d2", "the budget was raised"),
        story(1, over=True),
        logged("info", "run_resumed", 0, note="the budget was raised", config="d2"),
    ),
    "a batch was closed": (
        BatchCollected(START, "b0001", "watermark", 3),
        OPEN,
        logged("info", "batch_collected", 1, batch="b0001", reason="watermark"),
    ),
    "records were published again": (
        RecordsReopened(START, RECORDS),
        OPEN,
        logged("warning", "records_published_again", 1, count=7, records=list(NAMES[:5])),
    ),
    "fewer answers are needed": (
        SettingsAdopted(START, 2),
        OPEN,
        logged("warning", "settings_adopted", 1, min_submitted=2),
    ),
    "records are gone": (
        AnswersCollected(START, (), deleted=RECORDS),
        OPEN,
        logged("warning", "records_deleted_in_argilla", 1, records=list(NAMES[:5])),
    ),
    "records are back": (
        AnswersCollected(START, (), restored=RECORDS),
        [*OPEN, AnswersCollected(START, (), deleted=RECORDS)],
        logged("info", "records_back_in_argilla", 1, records=list(NAMES[:5])),
    ),
    "texts joined": (
        PoolChanged(START, 12, "pool2"),
        OPEN,
        logged("info", "texts_joined_the_pool", 1, count=12),
    ),
    "texts are gone": (
        PoolChanged(START, 0, "pool", gone=TEXTS),
        OPEN,
        logged(
            "warning",
            "texts_gone_from_the_pool",
            1,
            count=7,
            records=list(NAMES[:5]),
            hint="no record of the dataset shows them any more; nobody is asked for them",
        ),
    ),
    "texts are back": (
        PoolChanged(START, 0, "pool", back=TEXTS),
        OPEN,
        logged("info", "texts_back_in_the_pool", 1, count=7, records=list(NAMES[:5])),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_event_is_one_line_with_its_figures(name: str) -> None:
    event, before, expected = CASES[name]
    assert lines_of(event, before) == [expected]


def test_each_change_of_the_pool_has_a_line_of_its_own() -> None:
    changed = PoolChanged(START, 1, "pool2", gone=TEXTS[:2], back=TEXTS[2:3])
    lines = lines_of(changed, OPEN)
    assert [line["event"] for line in lines] == [
        "texts_joined_the_pool",
        "texts_gone_from_the_pool",
        "texts_back_in_the_pool",
    ]
    assert [line["count"] for line in lines] == [1, 2, 1]


def test_a_label_that_the_task_lacks_is_named_but_not_at_any_length() -> None:
    invalid = AnswerStatus.INVALID
    answers = (
        answer("r004", ANN, "fruit", START),
        answer("r004", BOB, "x" * 200, START, invalid),
        answer("r005", ANN, None, START, AnswerStatus.DISCARDED),
        answer("r006", ANN, "herb", START, invalid),
    )
    assert lines_of(AnswersCollected(START, answers), OPEN) == [
        logged("info", "answers", 1, submitted=1, invalid=2, discarded=1),
        logged("warning", "unknown_label_skipped", 1, record="r004", value="x" * 80),
        logged("warning", "unknown_label_skipped", 1, record="r006", value="herb"),
    ]


# -- how many records are kept open ----------------------------------------------------------------


def at_work(rounds: int) -> State:
    """Somebody answers two records a second while the last of these batches is out."""
    batches: list[Sequence[str]] = [*([f"a{number}"] for number in range(rounds)), ids("r", 40)]
    state = make_state(batches, steady("r", "ann", 20, 0.5))
    return replace(state, phase=Phase.COLLECT)


def queue_lines(folder: Path, mark: str | int, *states: State) -> list[Line]:
    config = settings(folder, queue={"batch_size": 40, "low_watermark": mark})
    notes = ObstacleNotes()
    with capture_logs() as lines:
        for state in states:
            notes.look(state, config)
            notes.look(state, config)
    return [dict(line) for line in lines if str(line["event"]).startswith("queue")]


def test_a_limit_that_lets_people_wait_is_said_once_while_it_lasts(tmp_path: Path) -> None:
    lines = queue_lines(tmp_path, 5, at_work(1), at_work(2), at_work(3))
    assert [(line["event"], line["log_level"], line["round"]) for line in lines] == [
        ("queue_limited", "warning", 1)
    ]
    assert "`queue.low_watermark: 5` with `queue.batch_size: 40` is in the way" in lines[0]["says"]
    assert lines[0]["hint"] == "set `queue.low_watermark: auto`, which needs no other number"


def test_how_many_are_kept_open_is_said_of_each_batch_that_is_out(tmp_path: Path) -> None:
    planned = replace(at_work(2), phase=Phase.PUBLISH)
    lines = queue_lines(tmp_path, "auto", at_work(1), planned, at_work(3))
    assert [(line["event"], line["log_level"], line["round"]) for line in lines] == [
        ("queue_sized", "info", 1),
        ("queue_sized", "info", 3),
    ]
    assert all("records are kept open, so that nobody waits." in line["says"] for line in lines)


def test_nothing_is_said_of_the_queue_before_a_round_was_measured(tmp_path: Path) -> None:
    assert queue_lines(tmp_path, "auto", fold([opening(), *posted(0)])) == []
