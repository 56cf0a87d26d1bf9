"""Owns what ``loopd status`` says; reads the journal only, and never changes anything."""

from __future__ import annotations

import time
from typing import Any

from loopd.annotation.consensus import NOTHING, index_of, unresolved
from loopd.config import Config
from loopd.loop.audit_in_force import in_force
from loopd.loop.labelled_test import labelled_test
from loopd.loop.obstacles import obstacle
from loopd.loop.queue_words import queue_limit, queue_sentence
from loopd.machine import Phase, State
from loopd.metrics_log.measured import ROW, Figures, judged_by, measured
from loopd.metrics_log.shift import PREFIX, is_alarm, shift_sentence, weeks_sentence
from loopd.operations.next_steps import next_steps
from loopd.operations.pool_size import pool_figures, waits_for_texts
from loopd.storage.heartbeat import seconds_since
from loopd.storage.lock import holder
from loopd.storage.recorded_run import recorded_run

_WAITS_FOR = {
    Phase.NEW: "the first start",
    Phase.SEED: "the first batch to be drawn",
    Phase.PUBLISH: "Argilla to take the batch",
    Phase.TRAIN: "the training",
    Phase.EVALUATE: "the evaluation",
    Phase.DECIDE: "the choice of the next batch",
    Phase.DONE: "nothing: the run is over",
}


def read_run(config: Config) -> State:
    """What the journal of a run says now; takes no lock.

    Raises:
        RunError: there is no run in ``run.dir``.
    """
    return recorded_run(config.run.dir).state


def read_status(config: Config, state: State) -> dict[str, Any]:
    """Where the run stands, as plain values, and whether a daemon works on it."""
    alive = {"daemon": holder(config.run.dir), "seen": seconds_since(config.run.dir, time.time())}
    return describe(state, in_force(config, state)) | alive


def describe(state: State, config: Config) -> dict[str, Any]:
    """The same for a state at hand."""
    another = config.relabel.another_person
    needed = state.answers_needed(config.queue.min_submitted)
    waiting = unresolved(state, needed, another_person=another)
    steps = next_steps(state, config)
    return {
        "run_dir": str(config.run.dir),
        "phase": state.phase.value,
        "waits_for": _waits_for(state, config, len(waiting)),
        "round": state.round,
        "batch": state.batch.id if state.batches else None,
        "pool": pool_figures(state),
        "labels": index_of(state).labelled,
        "discarded": index_of(state).discarded,
        "open": len(waiting),
        "test_set": _test_set(state, config),
        "deleted": sum(not state.is_withdrawn(id_) for id_ in state.deleted),
        "reopened": state.reopened,
        "stopped": state.stopped.reason if state.stopped else None,
        "obstacle": _obstacle(state, config),
        "queue": queue_sentence(state, config) or None,
        "queue_limit": _queue_limit(state, config),
        "new_texts": _new_texts(state),
        **_last_round(state),
        "next": [{"what": step.what, "command": step.command} for step in steps],
    }


def _test_set(state: State, config: Config) -> dict[str, int] | None:
    """How far people are with the test set that they label; ``None`` where there is none such."""
    if not config.test_ask:
        return None
    records = index_of(state).records
    return {
        "ask": config.test_ask,
        "labelled": labelled_test(state),
        "discarded": sum(records.get(id_, NOTHING).discarded for id_ in state.tests),
    }


def _obstacle(state: State, config: Config) -> dict[str, str] | None:
    known = obstacle(state, config)
    if known is None:
        return None
    return {"kind": known.kind, "sentence": known.sentence, "hint": known.hint}


def _queue_limit(state: State, config: Config) -> dict[str, str] | None:
    limit = queue_limit(state, config) if state.phase is not Phase.DONE else None
    return None if limit is None else {"sentence": limit[0], "hint": limit[1]}


def _waits_for(state: State, config: Config, waiting: int) -> str:
    if state.phase is Phase.COLLECT:
        return f"people: {waiting} records are open"
    if waits_for_texts(state, config):
        return f"new texts: all {state.texts:,} of the pool were asked"
    return _WAITS_FOR[state.phase]


def _last_round(state: State) -> dict[str, Any]:
    if not state.evaluated:
        return {"evaluated": None, "advice": [], **_accuracy({})}
    last = state.evaluated[max(state.evaluated)]
    advice = [f"stop ({name})" for name, verdict in last.stopping.items() if verdict["stop"]]
    return {
        "evaluated": last.round,
        "advice": advice,
        **_accuracy({**last.metrics, **last.audit}),
    }


def _new_texts(state: State) -> dict[str, Any] | None:
    """What the last round says of texts that joined; ``None`` where it says nothing."""
    told = state.evaluated[max(state.evaluated)].shift if state.evaluated else {}
    if not told:
        return None
    figures = {key.removeprefix(PREFIX): value for key, value in told.items()}
    says = " ".join(part for part in (shift_sentence(told), weeks_sentence(told)) if part)
    return {"sentence": says, "alarm": is_alarm(told), **figures}


def _accuracy(figures: Figures) -> dict[str, Any]:
    """The measure of the task by its own name and under the keys of the metrics log."""
    accuracy, metric = measured(figures), judged_by(figures)
    row: Figures = dict.fromkeys(ROW) if accuracy is None else accuracy.row()
    named = {f"{metric}{end}": row[f"measured{end}"] for end in ("", "_low", "_high")}
    others = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1")
    return {"metric": metric, **{key: figures.get(key) for key in others}, **named, **row}
