"""Prometheus reads what loopd says, and counters never go back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopd.dashboard.error_counts import ErrorCounts
from loopd.dashboard.event_totals import totals
from loopd.dashboard.prometheus import NAMES, Moment, exposition
from loopd.dashboard.snapshot import Snapshot, SnapshotHolder
from loopd.errors import AuthError, TransientError
from loopd.events import AnswersCollected, Event, RunResumed
from loopd.loop.data_sets import DataSets
from loopd.loop.observers import RunView
from loopd.loop.stop import Stop
from loopd.loop.tools import build_tools
from loopd.machine import fold
from loopd.metrics_log.writer import rows
from loopd.records import AnswerStatus
from loopd.storage.run_folder import ERRORS_NAME
from tests.monitoring.story import (
    ANN,
    START,
    answer,
    answered,
    learned,
    pool,
    posted,
    settings,
    story,
)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(events: list[Event], folder: Path, now: float = START + 330, **more: Any) -> Samples:
    """What Prometheus would read of a run with these events."""
    state = fold(events)
    snapshot = Snapshot(state=state, sums=totals(events), **more)
    found = rows(state)
    moment = Moment(snapshot, settings(folder), now, now - 1, found[-1] if found else {})
    return parsed(exposition(moment)[0])


def parsed(text: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("loopd_")
    }


def test_the_present_is_told(tmp_path: Path) -> None:
    found = samples(story(3, 1), tmp_path, now=START + 330)
    plain = {name: value for (name, labels), value in found.items() if not labels}
    assert plain["loopd_queue_depth"] == 3
    assert plain["loopd_batch_age_seconds"] == 28
    assert plain["loopd_labels"] == 13
    assert plain["loopd_rounds_total"] == 3
    assert plain["loopd_records_published_total"] == 16
    assert plain["loopd_annotators"] == 2
    assert plain["loopd_people_waiting_seconds_total"] == 6
    assert plain["loopd_argilla_up"] == 1
    assert plain["loopd_last_success_timestamp_seconds"] == START + 360
    assert plain["loopd_heartbeat_timestamp_seconds"] == START + 329
    assert found["loopd_phase", (("phase", "collect"),)] == 1
    assert found["loopd_phase", (("phase", "train"),)] == 0
    assert found["loopd_test_score", (("measure", "accuracy"),)] == pytest.approx(0.7)
    assert found["loopd_answers_total", (("status", "submitted"),)] == 13
    assert found["loopd_errors_total", (("kind", "unreachable"),)] == 0
    training = {name: value for (name, labels), value in found.items()
                if labels == (("step", "training"),)}  # fmt: skip
    assert training == {"loopd_step_seconds_sum": 12, "loopd_step_seconds_count": 3}
    collecting = found["loopd_step_seconds_sum", (("step", "collecting"),)]
    assert collecting == 3 * 68


def test_a_run_that_has_not_begun_has_no_measures(tmp_path: Path) -> None:
    found = samples([], tmp_path)
    assert found["loopd_phase", (("phase", "new"),)] == 1
    assert not any(name == "loopd_test_score" for name, _ in found)


def test_every_metric_is_described_and_every_description_is_of_a_metric(tmp_path: Path) -> None:
    events = story(3, 1)
    new_texts = {f"shift.{name}": 0.5 for name in ("auc", "unlike", "accuracy", "worse")}
    row = {**rows(fold(events))[-1], "audit.accuracy": 0.5, **new_texts}
    snapshot = Snapshot(state=fold(events), sums=totals(events))
    text = exposition(Moment(snapshot, settings(tmp_path), START, START, row))[0].decode()
    families = [
        each for each in text_string_to_metric_families(text) if each.name.startswith("loopd_")
    ]
    assert {each.name for each in families} == set(NAMES)
    assert all(each.documentation and each.samples for each in families)


COUNTERS = ("_total", "_sum", "_count")


def test_counters_never_go_back_where_a_round_is_trained_twice(tmp_path: Path) -> None:
    """The state forgets the first training of a round; the sums must not."""
    trained = learned(1)[:2]
    events = [
        *story(1, 4),
        *trained,
        RunResumed(START + 190, "d2", "the configuration changed"),
        *learned(1)[1:],
        *posted(2),
        answered(2, 2),
        AnswersCollected(
            START + 290, (answer("r008", ANN, None, START + 280, AnswerStatus.WITHDRAWN),)
        ),
    ]
    before: Samples = {}
    for count in range(len(events) + 1):
        now = samples(events[:count], tmp_path)
        for key, value in before.items():
            if key[0].endswith(COUNTERS):
                assert now[key] >= value, key
        before = now
    assert before["loopd_step_seconds_count", (("step", "training"),)] == 3
    assert before["loopd_rounds_total", ()] == 2
    assert before["loopd_labels", ()] == 9, "what may fall is a gauge"


def opening(folder: Path, events: list[Event]) -> RunView:
    config = settings(folder, argilla={"url": "http://127.0.0.1:9", "dataset": "story"})
    tools = build_tools(config, DataSets(pool(), None, {}), Stop(), store=object())  # type: ignore[arg-type]
    return RunView(fold(events), events, tools)


def test_a_daemon_that_starts_again_counts_on(tmp_path: Path) -> None:
    events = story(2, 1)
    first, second = SnapshotHolder(), SnapshotHolder()
    first.began(opening(tmp_path, events[:6]))
    for count in range(6, len(events)):
        first.saw(events[count], fold(events[: count + 1]))
    first.waits(TransientError("down"))
    first.waits(TransientError("down"))
    first.ended(AuthError("no"))
    second.began(opening(tmp_path, events))
    assert second.snapshot.sums == first.snapshot.sums
    assert second.snapshot.errors == {"unreachable": 2, "auth": 1}
    second.ended(ZeroDivisionError("a bug"))
    assert ErrorCounts(tmp_path / "run").counts == {"unreachable": 2, "auth": 1, "unexpected": 1}


def test_an_outage_begins_once_and_ends(tmp_path: Path) -> None:
    times = iter([5.0, 10.0, 20.0])
    window = SnapshotHolder(clock=lambda: next(times))
    window.began(opening(tmp_path, []))
    window.waits(TransientError("one"))
    window.waits(TransientError("two"))
    assert window.snapshot.outage is not None
    assert (window.snapshot.outage.since, window.snapshot.outage.problem) == (10.0, "two")
    window.reached()
    assert window.snapshot.outage is None


@pytest.mark.parametrize(
    "text", ["", "no json", "[1]", '{"a": -1, "b": "x", "c": true, "auth": 2}']
)
def test_a_damaged_file_of_errors_is_done_without(text: str, tmp_path: Path) -> None:
    path = tmp_path / ERRORS_NAME
    path.write_text(text)
    counts = ErrorCounts(tmp_path)
    counts.add(AuthError("no"))
    wanted = {"auth": 3 if "auth" in text else 1}
    assert counts.counts == json.loads(path.read_text()) == wanted


def test_errors_are_counted_where_the_disk_is_full(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    counts = ErrorCounts(tmp_path / "run")
    counts.add(AuthError("no"))
    assert counts.counts == {"auth": 1}


def test_hostile_names_cannot_forge_a_metric(tmp_path: Path) -> None:
    name = 'x"} 1\nloopd_labels 99\n#'
    config = settings(tmp_path, argilla={"workspace": name, "dataset": "d"})
    text = exposition(Moment(Snapshot(), config, START, None, {}))[0]
    found = parsed(text)
    assert found["loopd_labels", ()] == 0
    about = next(labels for metric, labels in found if metric == "loopd_info")
    assert dict(about)["workspace"] == name


def test_every_metric_is_documented() -> None:
    operations = Path(__file__).parents[2] / "docs" / "operations.md"
    lines = operations.read_text(encoding="utf-8").splitlines()
    for name, meaning in NAMES.items():
        assert any(line.startswith(f"| `{name}") and meaning in line for line in lines), name
