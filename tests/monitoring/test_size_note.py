"""Batches of another size than configured say why, on page, report and terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopd.config import Config
from loopd.dashboard.page_cache import View
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.events import BatchCollected, BatchPlanned, Event
from loopd.loop.queue_words import size_note
from loopd.machine import fold
from loopd.metrics_log.writer import rows
from loopd.overview.overview import overview
from loopd.overview.terminal import Look, status_text
from loopd.records import BatchItem, PoolId
from loopd.reports.report_page import report_html
from tests.monitoring.story import START, batch, opening, pool, posted, settings, story

ALIVE = {"run_dir": "x", "daemon": None, "seen": None, "discarded": 0}


def config_of(**queue: object) -> Config:
    return settings(Path("/nowhere"), queue={"batch_size": 4, "low_watermark": "auto", **queue})


def sized(events: list[Event], size: int) -> list[Event]:
    """The same, its last batch with so many records."""
    last = max(place for place, event in enumerate(events) if isinstance(event, BatchPlanned))
    planned = events[last]
    assert isinstance(planned, BatchPlanned)
    number = planned.batch.round
    items = tuple(BatchItem(PoolId(f"r{number * 4 + n:03d}")) for n in range(size))
    bigger = replace(planned.batch, items=items)
    return [*events[:last], replace(planned, batch=bigger), *events[last + 1 :]]


def test_a_batch_as_configured_says_nothing() -> None:
    assert size_note(fold(story(2)), config_of()) == ""
    assert size_note(fold([opening()]), config_of()) == ""
    assert size_note(fold(story(2, over=True)), config_of(batch_size=9)) == ""


def test_a_larger_one_is_to_last() -> None:
    config, state = config_of(), fold(sized(story(2), 12))
    note = size_note(state, config)
    assert note.startswith(
        "Batch b0002 has 12 records where 4 are configured: it is to last until the next one is "
        "there (2 people complete "
    )
    seen = overview(state, config, pool(), rows(state), START + 500)
    views = (
        View(SnapshotHolder())._render("live_content.html.jinja", seen),
        report_html(seen, state, config, ()),
        status_text(seen, ALIVE, Look(400)),
    )
    assert [note in " ".join(view.split()) for view in views] == [True] * 3


def test_the_first_one_comes_in_two_parts() -> None:
    config = config_of(opening_size=2, first_batch_size=6)
    first = sized([opening(), *posted(0)], 2)
    assert size_note(fold(first), config) == (
        "The first batch of 6 comes in two parts: 2 records drawn at random to begin with, and the "
        "rest as soon as the pool is encoded."
    )
    closed = BatchCollected(START + 70, "b0000", "opening", 2)
    rest = BatchPlanned(START + 71, replace(batch(1), model_id=None), 0.5)
    assert size_note(fold([*first, closed, rest]), config) == (
        "These 4 are the rest of the first batch of 6."
    )


@pytest.mark.parametrize(("budget", "told"), [(10, True), (1000, False)])
def test_a_smaller_one_keeps_to_the_budget(budget: int, told: bool) -> None:
    config = config_of()
    limited = config.model_copy(
        update={"stopping": config.stopping.model_copy(update={"label_budget": budget})}
    )
    note = size_note(fold(sized(story(2, 0), 2)), limited)
    assert note == (
        "Batch b0002 has 2 records where 4 are configured: more would exceed the label budget of "
        "10."
        if told
        else ""
    )
