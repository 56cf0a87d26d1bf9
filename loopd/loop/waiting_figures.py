"""Owns how long people waited and how old the model behind a batch was; pure.

All from the journal: times of answers as the server says, times of batches as the daemon says.
Where the two clocks differ, so do the figures.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter

import numpy as np

from loopd.annotation.consensus import given
from loopd.loop.answer_moments import annotators_of, moments_of
from loopd.loop.answer_times import changed_at
from loopd.machine import State
from loopd.metrics_log.rows import number
from loopd.records import JsonValue

Figures = dict[str, JsonValue]

CLOCKS_APART = 86_400.0
"""Seconds: an answer that is older than its batch by so much was not timed by a real clock."""


def figures(state: State, needed: int) -> Figures:
    """What the metrics log says about the queue when a batch is closed.

    Args:
        state: what the journal says; the current batch is published.
        needed: answers that complete a record.

    Returns:
        ``waiting.*``: seconds in which a person had nothing to do before the current batch came;
        ``staleness``: answers, edited ones too, that came too late for the model that chose it;
        ``last_answer``: when the newest answer came or was edited. Without a batch before, only
        the last; nor where the clocks of server and daemon have nothing to do with each other, as
        in a backtest, where nobody waits.
    """
    newest = max((person.changed[-1] for person in annotators_of(state).values()), default=None)
    last: Figures = {"last_answer": newest}
    before = state.collected.get(state.round - 1)
    if before is None:
        return last
    published = state.published[state.round].at
    seen = number(before.queue, "last_answer")
    if newest is None or newest < state.published[state.round - 1].at - CLOCKS_APART:
        return last
    waits = list(waited(state, needed).values())
    return {
        **last,
        "waiting.total": round(math.fsum(waits), 3),
        "waiting.p50": _quantile(waits, 0.5),
        "waiting.p95": _quantile(waits, 0.95),
        "staleness": 0 if seen is None else _between(state, seen, published),
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
    reactions = moments_of(state).given
    people = {person for id_ in recent for person in reactions.get(id_, ())}
    closed = current | state.deleted
    older = [reactions.get(id_, {}) for id_ in state.originals if id_ not in closed]
    busy_until = _busy_until(older, people, needed) if older else dict.fromkeys(people, 0.0)
    return {person: max(0.0, published - busy_until[person]) for person in sorted(people)}


def _busy_until(
    records: Iterable[Mapping[str, float]], people: Collection[str], needed: int
) -> dict[str, float]:
    """Until when any of the records was open to each of the people.

    Args:
        records: when each person reacted to each of them.
        people: of whom to tell.
        needed: answers that complete a record.
    """
    busy = dict.fromkeys(people, -math.inf)
    completed: list[tuple[float, Mapping[str, float]]] = []
    for reactions in records:
        complete = _complete_at(reactions, needed)
        completed.append((complete, reactions))
        for person, moment in reactions.items():
            if person in busy:
                busy[person] = max(busy[person], min(complete, moment))
    completed.sort(key=itemgetter(0), reverse=True)
    for person in people:
        # Of those that the person never reacted to, the last one to be complete.
        untouched = (complete for complete, reactions in completed if person not in reactions)
        busy[person] = max(busy[person], next(untouched, -math.inf))
    return busy


def _complete_at(reactions: Mapping[str, float], needed: int) -> float:
    """When a record had as many answers as it needs."""
    return sorted(reactions.values())[needed - 1] if len(reactions) >= needed else math.inf


def _between(state: State, first: float, last: float) -> int:
    """Answers that came or were edited after the first moment, until the last."""
    people = annotators_of(state).values()
    if any(len(person.changed) < person.total and person.changed[0] > first for person in people):
        return sum(first < changed_at(answer) <= last for answer in given(state))
    return sum(
        bisect_right(person.changed, last) - bisect_right(person.changed, first)
        for person in people
    )


def _quantile(values: list[float], share: float) -> float:
    """By linear interpolation; 0 without a value."""
    return round(float(np.quantile(values, share)), 3) if values else 0.0
