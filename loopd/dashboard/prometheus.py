"""Owns the run as metrics for Prometheus; must not serve them, and keeps nothing.

Every metric is described in ``NAMES``, from which the documentation is checked. Counters come from
sums over the whole journal, so that they never go back when the daemon starts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopd import __version__
from loopd.annotation.consensus import index_of
from loopd.config import Config
from loopd.dashboard.snapshot import Snapshot
from loopd.errors import LoopdError
from loopd.machine import Phase
from loopd.metrics_log.audit import AUDIT_PREFIX
from loopd.metrics_log.measured import measured
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import METRICS, gauges
from loopd.overview.people import open_batches, waiting
from loopd.records import AnswerStatus, JsonValue

if TYPE_CHECKING:
    from prometheus_client.core import Metric

NAMES: Mapping[str, str] = {
    "loopd_info": "1, with what identifies the run as labels.",
    "loopd_phase": "1 for the phase that the loop is in, 0 for the others.",
    "loopd_queue_depth": "Records that are waiting for people.",
    "loopd_batch_age_seconds": "Age of the oldest batch with an open record; 0 without one.",
    "loopd_answers": "Answers received, by status; an edited answer counts again.",
    "loopd_records_published": "Records published in Argilla, with copies for second opinions.",
    "loopd_records_reopened": "Records published again because nobody could answer them.",
    "loopd_labels": "Records with a label; may fall when people withdraw answers.",
    "loopd_records_discarded": "Records that people discarded and nobody labelled.",
    "loopd_records_deleted": "Published records that are gone from Argilla.",
    "loopd_annotators": "People who answered in this run.",
    "loopd_rounds": "Rounds that were measured.",
    "loopd_step_seconds": "Seconds of each step, and how often it was done; `collecting` is the "
    "time in which people work on a batch.",
    "loopd_people_waiting_seconds": "Seconds when people had nothing to do, summed over people.",
    "loopd_errors": "Errors by kind: those that were waited out, and those that ended a daemon.",
    "loopd_argilla_up": "0 while loopd waits out an outage of Argilla, else 1.",
    "loopd_measured": "The accuracy of the last round, or the measure of the kind of task, as page "
    "and status show it.",
    "loopd_measured_low": "Lower end of its 95 % interval.",
    "loopd_measured_high": "Upper end of its 95 % interval.",
    "loopd_measured_texts": "Texts that it was measured on.",
    "loopd_test_score": "Measures on the test set after the last round.",
    "loopd_audit": "Figures of the audit after the last round, by name.",
    **METRICS,
    "loopd_last_success_timestamp_seconds": "When the last step was done.",
    "loopd_heartbeat_timestamp_seconds": "When the loop last showed a sign of life.",
}
"""Every metric; counters end in ``_total`` and step seconds in ``_sum`` and ``_count``."""

MEASURES = (
    "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "micro_f1", "micro_f1_low",
    "micro_f1_high", "f1", "f1_low", "f1_high", "precision", "recall", "hamming_loss",
)  # fmt: skip
"""Keys of the metrics log that are shown as test scores."""

STEPS = ("choosing", "publishing", "collecting", "training", "scoring", "evaluation")


Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Moment:
    """What one look at the metrics shows.

    Attributes:
        snapshot: the run.
        config: in force.
        now: seconds since 1970.
        heartbeat: when the loop last gave a sign of life, ``None`` where it never did.
        last_row: the last row of the metrics log, empty without one.
    """

    snapshot: Snapshot
    config: Config
    now: float
    heartbeat: float | None
    last_row: Mapping[str, JsonValue]


def exposition(moment: Moment) -> tuple[bytes, str]:
    """The metrics as text, and its content type."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Collector(moment))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    """prometheus_client's interface to whoever makes metrics when asked."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from _gauges(self._moment)
        yield from _counters(self._moment)
        yield _steps(self._moment)


def _gauges(moment: Moment) -> Iterator[Metric]:
    snapshot, state = moment.snapshot, moment.snapshot.state
    index = index_of(state)
    open_ids = waiting(state, moment.config)
    published = [batch.published for batch in open_batches(state, open_ids) if batch.published]
    section = moment.config.argilla
    about = {"version": __version__, "workspace": section.workspace, "dataset": section.dataset}
    yield _gauge("info", {tuple(about.items()): 1.0})
    yield _gauge("phase", _by("phase", {phase.value: phase is state.phase for phase in Phase}))
    plain = {
        "queue_depth": len(open_ids),
        "batch_age_seconds": max(0.0, moment.now - min(published)) if published else 0.0,
        "labels": index.labelled,
        "records_discarded": index.discarded,
        "records_deleted": sum(not state.is_withdrawn(id_) for id_ in state.deleted),
        "annotators": sum(answers > 0 for answers in index.people.values()),
        "argilla_up": 0.0 if snapshot.outage is not None else 1.0,
    }
    for name, value in plain.items():
        yield _gauge(name, {(): float(value)})
    times = {"last_success": snapshot.sums.last, "heartbeat": moment.heartbeat}
    for name, time in times.items():
        yield _gauge(f"{name}_timestamp_seconds", {} if time is None else {(): time})
    yield from _measured(moment.last_row)
    tested = MEASURES if "test_size" in moment.last_row else ()  # else they are of random draws
    yield _gauge("test_score", _figures(moment.last_row, "measure", tested))
    audit = [key for key in moment.last_row if key.startswith(AUDIT_PREFIX)]
    yield _gauge("audit", _figures(moment.last_row, "figure", audit))
    for name, value in gauges(moment.last_row).items():
        yield _gauge(name.removeprefix("loopd_"), {(): value})


def _measured(row: Mapping[str, JsonValue]) -> Iterator[Metric]:
    accuracy = measured(row)
    if accuracy is None:
        return
    about = (("measure", accuracy.metric), ("source", accuracy.source))
    values = {
        "measured": accuracy.value,
        "measured_low": accuracy.low,
        "measured_high": accuracy.high,
        "measured_texts": float(accuracy.count),
    }
    for name, value in values.items():
        if value is not None:
            yield _gauge(name, {about: value})


def _counters(moment: Moment) -> Iterator[Metric]:
    sums = moment.snapshot.sums
    answers = {status.value: sums.answers.get(status.value, 0) for status in AnswerStatus}
    yield _counter("answers", _by("status", answers))
    # Every kind from the start: a rate needs a zero to begin with.
    kinds = dict.fromkeys(sorted(_kinds(LoopdError)), 0) | dict(moment.snapshot.errors)
    yield _counter("errors", _by("kind", kinds))
    rounds = sums.steps["evaluation"].times if "evaluation" in sums.steps else 0
    yield _counter("rounds", {(): float(rounds)})
    yield _counter("records_published", {(): float(sums.records)})
    yield _counter("records_reopened", {(): float(sums.reopened)})
    yield _counter("people_waiting_seconds", {(): sums.idle})


def _steps(moment: Moment) -> Metric:
    from prometheus_client.core import SummaryMetricFamily

    name = "loopd_step_seconds"
    family = SummaryMetricFamily(name, NAMES[name], labels=["step"])
    for step in STEPS:
        spent = moment.snapshot.sums.steps.get(step)
        times, seconds = (0, 0.0) if spent is None else (spent.times, spent.seconds)
        family.add_metric([step], count_value=times, sum_value=seconds)
    return family


Samples = Mapping[tuple[tuple[str, str], ...], float]
"""Values by their labels, which are the same names for all."""


def _gauge(name: str, samples: Samples) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    full = f"loopd_{name}"
    return _filled(GaugeMetricFamily(full, NAMES[full], labels=_label_names(samples)), samples)


def _counter(name: str, samples: Samples) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    full = f"loopd_{name}"
    return _filled(CounterMetricFamily(full, NAMES[full], labels=_label_names(samples)), samples)


def _label_names(samples: Samples) -> list[str]:
    return [label for label, _ in next(iter(samples), ())]


def _filled(family: Metric, samples: Samples) -> Metric:
    for labels, value in samples.items():
        family.add_metric([text for _, text in labels], value)  # type: ignore[attr-defined]
    return family


def _figures(row: Mapping[str, JsonValue], label: str, keys: Iterable[str]) -> Samples:
    """Those of a row that are numbers."""
    values = {key: number(row, key) for key in keys}
    return _by(
        label,
        {
            key.removeprefix(AUDIT_PREFIX): value
            for key, value in values.items()
            if value is not None
        },
    )


def _by(label: str, values: Mapping[str, float]) -> Samples:
    return {((label, name),): float(value) for name, value in values.items()}


def _kinds(error: type[LoopdError]) -> Iterator[str]:
    for kind in error.__subclasses__():
        if kind.exit_code:
            yield kind.name
        yield from _kinds(kind)
