"""The page's charts: their numbers are those of the tables beside them, the log and --json."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.config import Config
from loopd.config.task import label_key
from loopd.dashboard.charts import MAKERS, chart_data
from loopd.dashboard.charts.quality import confusion_data
from loopd.dashboard.page_cache import View
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.events import Event
from loopd.machine import fold
from loopd.metrics_log.writer import rows
from loopd.operations.status import describe
from loopd.overview.overview import Overview, overview
from loopd.overview.wording import figure, share
from tests.monitoring.html import Page
from tests.monitoring.stages import STAGES, TYPED, run_of
from tests.monitoring.story import START, pool
from tests.monitoring.story import settings as story_settings

VIEW = View(SnapshotHolder())


class Charts(HTMLParser):
    """The charts of a page as its script reads them, by name."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.charts: dict[str, dict[str, Any]] = {}
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        content = dict(attrs).get("data-chart")
        if content is not None:
            chart = json.loads(content)
            self.charts[chart["name"]] = chart


def config_of(labels: tuple[str, ...]) -> Config:
    return story_settings(Path("/nowhere"), labels, stopping={"max_rounds": 50})


def seen_of(events: list[Event]) -> Overview:
    state = fold(events)
    assert state.started is not None
    config = config_of(tuple(state.started.labels))
    return overview(state, config, pool(400), rows(state), START + 90_000)


def points(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the series that are named."""
    return [point for one in chart["series"] if one["name"] for point in one["points"]]


NAMES = st.sampled_from(TYPED) | st.text("abé<&\"'`{$", min_size=1, max_size=9)

RUNS = st.builds(
    run_of,
    st.integers(0, 11),
    labels=st.lists(NAMES, min_size=2, max_size=22, unique_by=label_key).map(tuple),
    test=st.booleans(),
    over=st.booleans(),
)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(RUNS)
def test_charts_tables_and_json_are_one(events: list[Event]) -> None:
    seen = seen_of(events)
    html = VIEW._render("live_content.html.jinja", seen)
    charts, page = Charts(html).charts, Page(html)
    assert charts == {name: json.loads(one.as_json()) for name, one in chart_data(seen).items()}
    _curve_is_the_accuracy(charts, page, seen, events)
    for name, chart in charts.items():
        if name not in ("curve", "classes"):
            _table_has_its_numbers(chart, page)
    if "classes" in charts:
        shown = [point["y"] for point in points(charts["classes"])]
        assert shown == [row.f1 for row in seen.classes][: len(shown)]
    if "balance" in charts:
        assert sum(point["y"] for point in points(charts["balance"])) == sum(
            count for _, count in seen.balance
        )
    if "confusion" in charts:
        assert sum(point["y"] for point in points(charts["confusion"])) == sum(
            count for *_, count in seen.confusion
        )


@pytest.mark.parametrize("size", [3, 16, 17, 40])
def test_each_cell_of_the_confusion_matrix_says_what_it_counts(size: int) -> None:
    names = tuple(f"label {n}" for n in range(size))
    pairs = [(right, taken, 1) for right in names for taken in names]
    seen = replace(seen_of(run_of(1)), labels=names, confusion=tuple(pairs))
    chart = confusion_data(seen)
    assert chart is not None
    words = [[point.words for point in one.points] for one in chart.series]
    for row, line in enumerate(words[:15]):
        assert [cell.startswith(f"label {row}, right: ") for cell in line].index(True) == row
        assert sum(", right: " in cell for cell in line) == 1
    last, others = words[-1][-1], size - 15
    if size <= 16:
        assert last.startswith(f"label {size - 1}, right: 1 of {size} ")
    else:
        told = f"(others), taken for one of them, {others} of which are right: {others**2} of "
        assert last.startswith(told)


def _curve_is_the_accuracy(
    charts: dict[str, Any], page: Page, seen: Overview, events: list[Event]
) -> None:
    """Chart, table beside it, key figure, log and ``status --json``."""
    measured = [row for row in seen.rows if row.get("measured") is not None]
    assert ("curve" in charts) is bool(measured)
    if not measured:
        return
    drawn = sorted(
        (point["x"], point["y"], point["low"], point["high"])
        for one in charts["curve"]["series"]
        if "interval" in one["name"]
        for point in one["points"]
    )
    assert drawn == sorted(
        (row["labels"], row["measured"], row["measured_low"], row["measured_high"])
        for row in measured
    )
    told = [[cell.text.strip() for cell in line[1:4]] for line in page.tables["rounds-table"][1:]]
    assert told[::-1] == [
        [f"{x:.0f}", share(y), f"{share(low)} to {share(high)}"] for x, y, low, high in drawn
    ]
    state = fold(events)
    status = describe(state, config_of(tuple(seen.labels)))
    assert drawn[-1][1:] == (status["measured"], status["measured_low"], status["measured_high"])
    assert share(drawn[-1][1]) in "".join(page.words)
    assert json.loads(json.dumps(seen.curve[-1].value)) == drawn[-1][1]


def _table_has_its_numbers(chart: dict[str, Any], page: Page) -> None:
    """The table below a chart: each of its numbers as people write it, and no other."""
    _, *lines = page.tables[f"numbers-of-{chart['name']}"]
    texts = [cell.text.strip() for line in lines for cell in line[1:]]
    cells = [text for text in texts if text != "-"]
    drawn = [figure(point["y"]) for point in points(chart) if "y" in point]
    assert sorted(cells) == sorted(drawn)


@pytest.mark.parametrize("stage", STAGES)
def test_every_number_of_a_chart_says_itself(stage: str) -> None:
    """A tooltip holds the number at which it points, as the tables round it."""
    for name, chart in chart_data(seen_of(list(STAGES[stage]))).items():
        for point in (point for one in chart.named for point in one.points):
            if point.y is None:
                assert point.words == ""
                continue
            forms = (f"{point.y:.3f}", f"{point.y:,.1f} s", f"{point.y:,.0f}")
            assert any(form in point.words for form in forms), (name, point)


def test_every_chart_turns_up_at_some_stage() -> None:
    drawn = {name for events in STAGES.values() for name in chart_data(seen_of(list(events)))}
    assert len(drawn) == len(MAKERS)


def test_axes_say_what_they_count() -> None:
    for events in STAGES.values():
        for chart in chart_data(seen_of(list(events))).values():
            assert chart.x.title
            assert chart.y.title
            assert chart.summary.endswith((".", "…"))


def test_a_run_without_answers_has_no_chart() -> None:
    assert chart_data(seen_of(list(run_of(0)[:3]))) == {}


def test_the_source_of_the_accuracy_is_told_and_where_it_changes() -> None:
    chart = chart_data(seen_of(list(STAGES["untested-middle"])))["curve"]
    assert [one.name for one in chart.named] == [
        "accuracy by cross-validation, 95 % interval",
        "accuracy on random draws, 95 % interval",
    ]
    (rule,) = chart.rules
    assert (rule.words, rule.upright) == ("from here on random draws", True)
    assert chart.named[0].points[-1].x < rule.at < chart.named[1].points[0].x
