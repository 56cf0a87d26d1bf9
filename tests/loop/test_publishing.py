"""A batch goes out: what the search lacks is looked for, but not beyond a wish to stop."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.events import BatchPublished
from loopd.loop.steps import LONGEST_LOOK, SHOWN_WITHIN, publish
from loopd.machine import Phase
from loopd.records import Batch, ExternalId
from tests.loop.conftest import Bench, MakeBench

pytestmark = pytest.mark.parametrize("place", ["memory"], indirect=True)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A batch is about to be published, and the search will find two of its records."""
    bench = make_bench()
    bench.run_until(lambda state: state.phase is Phase.PUBLISH, lambda: None)
    real = bench.people.visible

    def visible(batches: Collection[Batch], **named: Any) -> frozenset[ExternalId]:
        all_of_them: frozenset[ExternalId] = real(batches, **named)
        return all_of_them & set(bench.state.batch.external_ids[:2])

    bench.people.visible = visible
    return bench


def published(bench: Bench) -> tuple[BatchPublished, list[str]]:
    """The fact, and the names of the warnings."""
    with capture_logs() as lines:
        event = publish(bench.state, bench.tools)
    assert isinstance(event, BatchPublished)
    return event, [line["event"] for line in lines if line["log_level"] == "warning"]


@pytest.mark.parametrize("stops_at", [1, 3])
def test_who_stops_the_run_does_not_wait_for_the_search(bench: Bench, stops_at: int) -> None:
    """The batch is in Argilla: the fact says so, and nothing is said to be wrong."""
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        bench.now[0] += seconds
        return len(pauses) >= stops_at

    bench.tools.pause = pause
    event, warnings = published(bench)
    assert pauses == [0.1, 0.2, 0.4][:stops_at]
    assert (event.batch_id, event.unseen, warnings) == (bench.state.batch.id, 4, [])
    assert event.seconds == pytest.approx(sum(pauses))
    assert all(bench.people.holds(id_) for id_ in bench.state.batch.external_ids)


def test_what_the_search_lacks_for_long_is_said_and_the_run_goes_on(bench: Bench) -> None:
    def pause(seconds: float) -> bool:
        bench.now[0] += seconds
        return False

    bench.tools.pause = pause
    event, warnings = published(bench)
    assert (event.unseen, warnings) == (4, ["batch_not_shown"])
    assert SHOWN_WITHIN <= (event.seconds or 0) < SHOWN_WITHIN + LONGEST_LOOK
