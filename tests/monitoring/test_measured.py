"""One run, one accuracy: page, status, report, metrics log and Prometheus say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.dashboard.page_cache import View
from loopd.dashboard.pictures import charts
from loopd.dashboard.prometheus import Moment, exposition
from loopd.dashboard.snapshot import Snapshot, SnapshotHolder
from loopd.export.figures import SOURCES, figures
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import read_data
from loopd.loop.narrate import narrate
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.machine import Phase, State
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.measured import ASKED, CROSS, DRAWS, TEST, Measured
from loopd.metrics_log.rows import read_metrics
from loopd.metrics_log.table import round_line
from loopd.operations.status import describe
from loopd.overview.overview import Overview, overview
from loopd.overview.terminal import Look, status_text
from loopd.reports.report_page import report_html
from loopd.tasks.registry import build_task

WORDS = {"fruit": ("apple", "pear", "plum", "fig"), "tool": ("hammer", "saw", "drill", "file")}
LABELS = tuple(WORDS)

KINDS: dict[str, dict[str, Any]] = {
    "single_label": {"labels": list(LABELS)},
    "multi_label": {"labels": list(LABELS), "type": "multi_label"},
}


def truth(number: int, kind: str) -> Any:
    """What people answer: every fifth text is not about what its words are about."""
    label = LABELS[(number + (number % 5 == 0)) % 2]
    return label if kind == "single_label" else [label]


def csv(size: int, start: int = 0) -> str:
    rows = ["id,text,label"]
    for n in range(start, start + size):
        words = WORDS[LABELS[n % 2]]
        text = f"the {words[n % 4]} beside the {words[n * 3 % 4]} {n}"
        rows.append(f"r{n:03d},{text},{truth(n, 'single_label')}")
    return "\n".join(rows) + "\n"


def settings(folder: Path, kind: str, **sections: object) -> Config:
    (folder / "pool.csv").write_text(csv(160), encoding="utf-8")
    (folder / "test.csv").write_text(csv(40, 500), encoding="utf-8")
    values: dict[str, object] = {
        "run": {"dir": "run", "seed": 4},
        "task": KINDS[kind],
        "pool": {"path": "pool.csv", "id": "id"},
        "classifier": {"name": "tfidf"},
        "queue": {"batch_size": 12, "low_watermark": 0},
        "stopping": {"max_rounds": 3},
    }
    return parse_config(values | sections, folder)


class Person(MemoryStore):
    """A store in which somebody answers whatever is open, rightly."""

    kind = "single_label"

    def answer(self) -> None:
        for id_ in self.open_records("ann"):
            self.submit(id_, "ann", truth(int(id_[1:4]), self.kind))


def ran(config: Config) -> tuple[State, Tools]:
    """A whole run in memory, from the configuration as a user writes it."""
    config = in_force(config, State())
    store = Person(build_task(config.task))
    store.kind = config.task.type
    tools = build_tools(config, read_data(config), Stop(), store=store)
    loop = Loop(tools, Stop(), lambda event, _: None)
    dataset_id = store.open(tools.data.pool, fresh=True)
    first = begin(State(), tools, dataset_id)
    assert first is not None
    state = loop.record(State(), first)
    while state.phase is not Phase.DONE:
        event = STEPS[state.phase](state, tools)
        if event is None:
            tools.watcher.forget()
            store.answer()
        else:
            state = loop.record(state, event)
    return state, tools


def prometheus(state: State, config: Config) -> dict[str, tuple[float, dict[str, str]]]:
    moment = Moment(Snapshot(state=state), config, 1e9, None, metrics_log.last_row(state))
    text = exposition(moment)[0].decode()
    return {
        sample.name: (sample.value, dict(sample.labels))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("loopd_measured")
    }


def shown(state: State, tools: Tools) -> Overview:
    at = state.evaluated[min(state.evaluated)].at
    return overview(state, tools.config, tools.data.pool, metrics_log.rows(state), at)


RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    CROSS: (CROSS, {}),
    DRAWS: (DRAWS, {"audit": {"random_share": 0.5}, "stopping": {"max_rounds": 5}}),
    "no draws": (CROSS, {"audit": {"random_share": 0}}),
    "few draws": (DRAWS, {"audit": {"folds": 0}}),
    TEST: (TEST, {"test": {"path": "test.csv", "id": "id", "label": "label"}}),
    ASKED: (ASKED, {"test": {"ask": 40}}),
    "asked and drawn": (ASKED, {"test": {"ask": 40}, "audit": {"random_share": 0.2}}),
}


QUICK = (CROSS, DRAWS, ASKED)
"""Runs of several labels in `make test`: what they are measured by is said as for one label."""

VIEWED = [
    pytest.param(run, kind, marks=[pytest.mark.slow] if run not in QUICK else [])
    if kind == "multi_label"
    else (run, kind)
    for run in RUNS
    for kind in KINDS
]


@pytest.mark.parametrize(("run", "kind"), VIEWED)
def test_every_view_says_the_same(run: str, kind: str, tmp_path: Path) -> None:
    source, sections = RUNS[run]
    state, tools = ran(settings(tmp_path, kind, **sections))
    seen = shown(state, tools)
    one = seen.measured
    assert one is not None
    assert one.source == source
    assert 0 < one.value < 1
    assert one.interval is not None
    _same_in_numbers(one, state, tools, tmp_path)
    _same_on_pages(one, state, tools, seen)


def _same_in_numbers(one: Measured, state: State, tools: Tools, folder: Path) -> None:
    metrics_log.write(state, folder)
    row = read_metrics(folder / "metrics.jsonl")[-1]
    keys = ("measured", "measured_low", "measured_high", "measured_by", "measured_on")
    values = (one.value, one.low, one.high, one.source, one.count)
    assert tuple(row[key] for key in keys) == values
    status = json.loads(json.dumps(describe(state, tools.config)))
    assert tuple(status[key] for key in keys) == values
    assert (status["metric"], status[one.metric]) == (one.metric, one.value)
    assert (status[f"{one.metric}_low"], status[f"{one.metric}_high"]) == one.interval
    about = {"measure": one.metric, "source": one.source}
    assert prometheus(state, tools.config) == {
        "loopd_measured": (one.value, about),
        "loopd_measured_low": (one.low, about),
        "loopd_measured_high": (one.high, about),
        "loopd_measured_texts": (float(one.count), about),
    }
    assert f"{one.value:.3f} [{one.low:.3f}-{one.high:.3f}]" in round_line(row)
    with capture_logs() as lines:
        narrate(state.evaluated[max(state.evaluated)], state)
    said = next(line for line in lines if line["event"] == "round_evaluated")
    assert said[one.metric] == round(one.value, 4)
    assert said.get("measured") == (None if one.source == TEST else one.basis)
    exported = figures(state, max(state.evaluated))[0]
    assert (exported.metric, exported.value, exported.texts) == (one.metric, one.value, one.count)
    assert (exported.low, exported.high) == one.interval
    assert exported.source == SOURCES[one.source]


def _same_on_pages(one: Measured, state: State, tools: Tools, seen: Overview) -> None:
    assert one.interval is not None
    low, high = one.interval
    drawn = {chart.name: chart for chart in charts(seen)}
    assert [point.source for point in seen.curve][-1] == one.source
    page = View(SnapshotHolder())._render("live_content.html.jinja", seen)
    report = report_html(seen, state, tools.config, tuple(drawn.values()))
    terminal = status_text(
        seen, {"run_dir": "x", "daemon": None, "seen": None, "discarded": 0}, Look(100)
    )
    summary = drawn["curve"].summary
    for view in (page, report, terminal, summary):
        words = " ".join(re.sub(r"<[^>]*>", " ", view).split())
        assert f"{one.value:.3f}" in words
        assert f"{low:.3f} to {high:.3f}" in words or f"[{low:.3f}, {high:.3f}]" in words
        if view is not summary or one.source != TEST:  # beside that chart stands what it is on
            assert one.basis in words
    for view in (page, report):
        assert "Nothing is measured" not in view
        assert "being drawn." not in view
        if one.caveat:
            assert one.caveat in view.replace("&#39;", "'")


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> tuple[State, Tools]:
    """A run that was measured by cross-validation first and by draws in the end."""
    return ran(settings(tmp_path_factory.mktemp("run"), "single_label", **RUNS[DRAWS][1]))


def test_the_switch_is_seen_on_the_curve(switched: tuple[State, Tools]) -> None:
    seen = shown(*switched)
    assert [point.source for point in seen.curve] == sorted(point.source for point in seen.curve)
    curve = next(chart for chart in charts(seen) if chart.name == "curve")
    legend = curve.figure.axes[0].get_legend()
    assert legend is not None
    entries = [text.get_text() for text in legend.get_texts()]
    assert entries == [
        "accuracy by cross-validation, 95 % interval",
        "accuracy on random draws, 95 % interval",
        "macro-F1",
    ]
    dotted = [line for line in curve.figure.axes[0].lines if line.get_linestyle() == ":"]
    assert len(dotted) == 1
    before = max(point.effort for point in seen.curve if point.source == CROSS)
    after = min(point.effort for point in seen.curve if point.source == DRAWS)
    at = float(next(iter(dotted[0].get_xdata())))  # type: ignore[arg-type]
    assert before < at < after


def test_the_audit_is_two_sentences_and_one_chart(switched: tuple[State, Tools]) -> None:
    state, tools = switched
    seen = shown(state, tools)
    drawn = tuple(charts(seen))
    assert [chart.name for chart in drawn].count("audit") == 1
    assert len(seen.findings) == 2
    report = report_html(seen, state, tools.config, drawn)
    section = report[report.index('id="h-audit"') : report.index('id="h-model"')]
    assert section.count("<p>") == 2
    assert "<dl" not in section
    page = View(SnapshotHolder())._render("live_content.html.jinja", seen)
    section = page[page.index('id="audit"') : page.index('id="cost"')]
    assert section.count("<p>") == 2
    assert "<dl" not in section


def test_before_anything_is_known_nobody_says_that_it_is_drawn(tmp_path: Path) -> None:
    config = settings(tmp_path, "single_label", audit={"folds": 0}, stopping={"max_rounds": 1})
    state, tools = ran(config)
    seen = shown(state, tools)
    assert seen.rows
    assert seen.measured is None
    page = View(SnapshotHolder())._render("live_content.html.jinja", seen)
    report = report_html(seen, state, tools.config, tuple(charts(seen)))
    assert "being drawn" not in page
    assert "oo few labels to measure yet" in page
    assert "Too few labels to measure yet." in report


@pytest.mark.parametrize(("run", "on"), [(DRAWS, "random draws"), (ASKED, "people labelled")])
def test_classes_and_confusions_are_there_without_a_file(run: str, on: str, tmp_path: Path) -> None:
    state, tools = ran(settings(tmp_path, "single_label", **RUNS[run][1]))
    seen = shown(state, tools)
    assert seen.measured is not None
    assert on in seen.measured.basis
    assert {score.label for score in seen.classes} == set(LABELS)
    assert sum(times for _, _, times in seen.confusion) == seen.measured.count
    right = sum(times for gold, taken, times in seen.confusion if gold == taken)
    assert right / seen.measured.count == seen.measured.value
    scores = [sample for sample in _test_scores(state, tools.config) if sample == "macro_f1"]
    assert bool(scores) is (run == ASKED)  # what draws say is no test set's


def _test_scores(state: State, config: Config) -> list[str]:
    moment = Moment(Snapshot(state=state), config, 1e9, None, metrics_log.last_row(state))
    families = text_string_to_metric_families(exposition(moment)[0].decode())
    return [
        sample.labels["measure"]
        for family in families
        for sample in family.samples
        if sample.name == "loopd_test_score"
    ]
