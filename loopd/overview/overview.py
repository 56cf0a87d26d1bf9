"""Owns what there is to see of a run at one moment: plain values for page, report and terminal.

Pure: no clock, file or network. Everything that people typed is on one line here, with control
characters written out; it is still to be escaped for where it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopd.config import Config
from loopd.data.pool import Pool
from loopd.learning.auto_classifiers import AUTO, CONTENDERS
from loopd.loop.classifier_in_use import comparisons
from loopd.loop.queue_words import size_note
from loopd.machine import State
from loopd.metrics_log.audit import AUDIT_PREFIX, audit_findings, has_audit
from loopd.metrics_log.classifier_words import contest_sentence
from loopd.metrics_log.edge import edge_sentence
from loopd.metrics_log.measured import Measured, measured
from loopd.metrics_log.rows import Row, effort_of, metric_of, number
from loopd.metrics_log.shift import shift_sentence, weeks_sentence
from loopd.operations.next_steps import NextStep, next_steps
from loopd.operations.pool_size import pool_sentence
from loopd.overview.advice import Budget, Criterion, budget, criteria, sentence
from loopd.overview.cautions import Outage, cautions
from loopd.overview.open_records import OpenRecord, open_records
from loopd.overview.people import (
    AnnotatorSummary,
    OpenBatch,
    open_batches,
    people,
    seconds_left,
    waiting,
)
from loopd.overview.run_status import RunStatus, run_status
from loopd.overview.tested import (
    ClassScore,
    Mistake,
    Point,
    balance,
    classes,
    curve,
    mistakes,
)
from loopd.printable import one_line
from loopd.records import JsonValue

AGREEMENT_PREFIX = "consensus."

TIMES = ("waiting", "training", "scoring", "evaluation", "choosing", "publishing")
"""Keys ``seconds.*`` of the metrics log, the people's first."""


@dataclass(frozen=True, slots=True)
class LiveContext:
    """What the journal does not say.

    Attributes:
        address: where people label, empty where that is not known.
        names: of accounts, by Argilla's id.
        outage: that goes on now, ``None`` without one.
        failure: what the daemon ended with, empty where it did not.
        notes: more to be warned of, one sentence each.
    """

    address: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    outage: Outage | None = None
    failure: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to see.

    Attributes:
        at: the moment, seconds since 1970.
        title: workspace and dataset.
        task: kind of the task.
        strategy, classifier: by the configuration.
        address: where people label, may be empty.
        standing: what the run does and waits for.
        cautions: what somebody should know, one sentence each, the worst first.
        metric, effort: keys of the rows: the measure of the task, and what work is counted in.
        labels: the label names.
        measured: the accuracy, or the measure of the task, of the last round that knows it.
        curve: the same over the rounds.
        classes: F1 of each class in the last round that has any, weakest first.
        balance: (label, labels) of every class: those that the last model was trained on, before
            the first one those that people have given.
        confusion: (right label, model's, count) of the last round.
        mistakes: the most frequent confusions of it.
        criteria: stopping criteria and rules over time.
        advice: whether to go on, in one sentence.
        budget: labels and rounds, spent and left.
        seconds: by kind of work, over all rounds.
        started, ended: of the run, seconds since 1970; ``None`` where it did not begin or end.
        pool: how many texts there are, and how many were added; empty where that is not known.
        batches: those with open records.
        size_note: why the newest batch has another size than is configured; empty where it has not.
        open_records: how many records are open.
        seconds_left: until these are answered at the present pace, ``None`` where not known.
        out: open records with the reason for each; of very many only the first.
        people: who answered.
        agreement: flat figures of the last round about annotators, by key of the metrics log.
        audit: flat figures of the last round that random draws gave; empty without an audit.
        findings: what they say, in two sentences.
        choosing: whether choosing pays, in one sentence; empty while nothing can be said.
        contest: which classifier `auto` uses and why, in one sentence; empty without `auto`.
        shift: whether texts that joined are unlike those before, and whether the model is worse on
            them, unless one of the cautions says it; and the accuracy by week. Empty where none
            have joined.
        next: what can be done now that the run is over, as commands; empty before.
        rows: the metrics log.
    """

    at: float
    title: str
    task: str
    strategy: str
    classifier: str
    address: str
    standing: RunStatus
    cautions: tuple[str, ...]
    metric: str
    effort: str
    labels: tuple[str, ...]
    measured: Measured | None
    curve: tuple[Point, ...]
    classes: tuple[ClassScore, ...]
    balance: tuple[tuple[str, int], ...]
    confusion: tuple[tuple[str, str, int], ...]
    mistakes: tuple[Mistake, ...]
    criteria: tuple[Criterion, ...]
    advice: str
    budget: Budget
    seconds: Mapping[str, float]
    started: float | None
    ended: float | None
    pool: str
    batches: tuple[OpenBatch, ...]
    size_note: str
    open_records: int
    seconds_left: float | None
    out: tuple[OpenRecord, ...]
    people: tuple[AnnotatorSummary, ...]
    agreement: Mapping[str, JsonValue]
    audit: Mapping[str, JsonValue]
    findings: tuple[str, ...]
    choosing: str
    contest: str
    shift: str
    next: tuple[NextStep, ...]
    rows: tuple[Row, ...]


def overview(
    state: State,
    config: Config,
    pool: Pool,
    rows: Sequence[Row],
    now: float,
    *,
    live: LiveContext | None = None,
) -> Overview:
    """What there is to see of a run.

    Args:
        state: what the journal says.
        config: now in force.
        pool: the texts; those of records that it lacks are shown empty.
        rows: the metrics log of the state.
        now: seconds since 1970.
        live: what the journal does not say.
    """
    context = live or LiveContext()
    open_ids = waiting(state, config)
    last = rows[-1] if rows else None
    crowd = people(state, last, context.names, now)
    verdicts = criteria(rows, config.stopping)
    warnings = cautions(state, config, context.outage, context.failure)
    return Overview(
        at=now,
        **_settings(config),
        **_facts(state),
        balance=balance(state, config.task.labels),
        **_figures(rows),
        address=context.address,
        standing=run_status(state, config),
        cautions=(*warnings, *context.notes),
        criteria=verdicts,
        advice=sentence(state, verdicts),
        budget=budget(state, config.stopping),
        pool=pool_sentence(state),
        batches=open_batches(state, open_ids),
        size_note=size_note(state, config),
        open_records=len(open_ids),
        seconds_left=seconds_left(
            crowd, len(open_ids), state.answers_needed(config.queue.min_submitted)
        ),
        out=open_records(state, pool, open_ids),
        people=crowd,
        contest=_contest(state, config),
        shift=_shift(last, warnings),
        next=next_steps(state, config),
    )


def _contest(state: State, config: Config) -> str:
    """What the last comparison of the two classifiers says."""
    if config.classifier.name != AUTO:
        return ""
    last = next((figures for _, figures in comparisons(state)), {})
    return contest_sentence(last, CONTENDERS[0])


def _shift(last: Row | None, warnings: Sequence[str]) -> str:
    """What the last round says of texts that joined, unless a warning says it."""
    said = shift_sentence(last or {})
    told = "" if any(warning.startswith(said) for warning in warnings) else said
    return " ".join(part for part in (told, weeks_sentence(last or {})) if part)


def _settings(config: Config) -> dict[str, Any]:
    """What the configuration says, as it stands there."""
    return {
        "title": one_line(f"{config.argilla.workspace} / {config.argilla.dataset}"),
        "task": config.task.type,
        "strategy": one_line(config.strategy.name),
        "classifier": one_line(config.classifier.name),
        "labels": tuple(config.task.labels),
    }


def _facts(state: State) -> dict[str, Any]:
    """What the journal says, as it stands there."""
    evaluated = state.evaluated[max(state.evaluated)] if state.evaluated else None
    confusion = () if evaluated is None else evaluated.confusion
    return {
        "confusion": confusion,
        "mistakes": mistakes(confusion),
        "started": None if state.started is None else state.started.at,
        "ended": None if state.stopped is None else state.stopped.at,
    }


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    """What the metrics log says, as it stands there."""
    last = rows[-1] if rows else None
    last_measure = next((one for row in reversed(rows) if (one := measured(row))), None)
    return {
        "metric": metric_of(rows) if last_measure is None else last_measure.metric,
        "measured": last_measure,
        "effort": effort_of(rows),
        "curve": curve(rows),
        "classes": classes(rows),
        "seconds": {name: _total(rows, f"seconds.{name}") for name in TIMES},
        "agreement": _chosen(last, AGREEMENT_PREFIX),
        "audit": _chosen(last, AUDIT_PREFIX),
        "findings": audit_findings(last) if last is not None and has_audit(last) else (),
        "choosing": edge_sentence(last) if last is not None else "",
        "rows": tuple(rows),
    }


def _total(rows: Sequence[Row], key: str) -> float:
    return math.fsum(number(row, key) or 0.0 for row in rows)


def _chosen(last: Row | None, prefix: str) -> Mapping[str, JsonValue]:
    return {key: value for key, value in (last or {}).items() if key.startswith(prefix)}
