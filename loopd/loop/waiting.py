"""Owns how long people waited and how old the model behind a batch was; pure.

All from the journal: times of answers as the server says, times of batches as the daemon says.
Where the two clocks differ, so do the figures.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from loopd.annotation.consensus import given
from loopd.loop.answer_times import changed_at, given_at
from loopd.machine import State
from loopd.records import JsonValue
from loopd.reports.rounds import number

Figures = dict[str, JsonValue]


def figures(state: State, needed: int) -> Figures:
    """What the metrics log says about the queue when a batch is closed.

    Args:
        state: what the journal says; the current batch is published.
        needed: answers that complete a record.

    Returns:
        ``waiting.*``: seconds in which a person had nothing to do before the current batch came;
        ``staleness``: answers, edited ones too, that came too late for the model that chose it;
        ``last_answer``: when the newest answer came or was edited. Without a batch before, only
        the last.
    """
    times = [changed_at(answer) for answer in given(state)]
    newest: Figures = {"last_answer": max(times, default=None)}
    before = state.collected.get(state.round - 1)
    if before is None:
        return newest
    published = state.published[state.round].at
    seen = number(before.queue, "last_answer")
    late = 0 if seen is None else sum(seen < time <= published for time in times)
    waits = list(waited(state, needed).values())
    return {
        **newest,
        "waiting.total": round(math.fsum(waits), 3),
        "waiting.p50": _quantile(waits, 0.5),
        "waiting.p95": _quantile(waits, 0.95),
        "staleness": late,
        "turnaround": None if seen is None else round(max(0.0, published - seen), 3),
    }


def waited(state: State, needed: int) -> dict[str, float]:
    """Seconds by person in which no open record was left for them, until the current batch came.

    A record is open to a person until the person reacts to it, or as many as are needed have. Only
    who reacted to the batch before or to the current one counts.
    """
    published = state.published[state.round].at
    current = frozenset(state.batch.external_ids)
    recent = current | frozenset(state.batches[-2].external_ids)
    reacted: dict[str, dict[str, float]] = defaultdict(dict)
    for answer in given(state):
        reacted[answer.record_id][answer.annotator] = given_at(answer)
    people = {person for id_ in recent for person in reacted.get(id_, ())}
    found = dict.fromkeys(sorted(people), 0.0)
    older = [id_ for id_ in state.originals if id_ not in current | state.deleted]
    for person in found:
        free = max(_over(reacted.get(id_, {}), person, needed) for id_ in older) if older else 0.0
        found[person] = max(0.0, published - free)
    return found


def _over(reacted: Mapping[str, float], person: str, needed: int) -> float:
    """When a record was no longer open to a person."""
    times = sorted(reacted.values())
    complete = times[needed - 1] if len(times) >= needed else math.inf
    return min(complete, reacted.get(person, math.inf))


def _quantile(values: list[float], share: float) -> float:
    """By linear interpolation; 0 without a value."""
    return round(float(np.quantile(values, share)), 3) if values else 0.0
