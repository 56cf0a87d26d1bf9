"""Owns whether people run out of records before another batch can be there; pure.

Making a batch takes a while: train, measure, score, choose, publish. Meanwhile people work on what
is open. The next batch is begun early enough that something is left for everybody until it is
there, and no earlier: answers that come after that are not known to the model that chooses it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from itertools import pairwise
from statistics import median

from loopd.annotation.consensus import NOTHING, index_of, reacted
from loopd.loop.answer_moments import annotators_of
from loopd.machine import State

MARGIN = 1.5
"""How much longer than the slowest of the last rounds the next one may take."""

ROUNDS = 3
"""So many of the last rounds say how long one takes."""

GAPS = 30
"""So many of a person's last answers say how fast the person is."""

PAUSE = 8.0
"""A gap of so many times the usual one is a pause, not work."""

AT_WORK = 600.0
"""Who answered so many seconds before the last answer of all, or later, is at work."""

QUICKEST = 0.2
"""Seconds between two answers of one person at least; below are scripts and bulk labelling."""

BATCHES_OUT = 3
"""So many batches' worth of records are open at most, or in one batch."""


def runs_low(state: State, waiting: frozenset[str], needed: int, poll_interval: float) -> bool:
    """Whether the next batch must be begun lest somebody waits for it.

    The records that are open to a person get fewer by the person's own answers, and by those of
    others that complete a record. False as long as no round has shown how long one takes.

    Args:
        state: what the journal says.
        waiting: external ids that wait for an answer.
        needed: answers that complete a record.
        poll_interval: seconds until an answer is noticed.
    """
    seconds = turnaround(state)
    if seconds is None:
        return False
    originals, index = state.originals, index_of(state)
    entries = (index.records.get(originals.get(id_, id_), NOTHING) for id_ in waiting)
    done = Counter(person for entry in entries for person in reacted(entry))
    speeds = paces(state)
    everybody = math.fsum(speeds.values())
    for person, own in speeds.items():
        falling = own + (everybody - own) / needed
        left = len(waiting) - done[person]
        if left <= math.ceil(falling * (seconds * MARGIN + poll_interval)):
            return True
    return False


def lasting(state: State, needed: int, size: int) -> int:
    """Records that the next batch needs so that it lasts until the one after it is there.

    Args:
        state: what the journal says.
        needed: answers that complete a record.
        size: the configured size, which is the least; the most is ``BATCHES_OUT`` times that.
    """
    seconds = turnaround(state) or 0.0
    everybody = math.fsum(paces(state).values())
    return min(max(size, math.ceil(everybody / needed * seconds * MARGIN)), BATCHES_OUT * size)


def turnaround(state: State) -> float | None:
    """Seconds that the slowest of the last rounds took from enough answers to the next batch.

    The steps alone, without the time in which no daemon ran; ``None`` before the first round. Where
    the next batch is not out yet, choosing and publishing count as they did for the one before.
    """
    last = nlargest(ROUNDS, state.evaluated)
    return max((took for n in last if (took := _took(state, n)) is not None), default=None)


def _took(state: State, number: int) -> float | None:
    """Seconds of a round's steps; ``None`` where a recovered journal does not know them."""
    shown = number + 1 if number + 1 in state.published else number
    planned, published = state.planned.get(shown), state.published.get(shown)
    if planned is None or published is None:
        return None
    return (
        state.trained[number].seconds
        + state.evaluated[number].scoring_seconds
        + state.evaluated[number].seconds
        + planned.seconds
        + (published.seconds or 0.0)
    )


def paces(state: State) -> dict[str, float]:
    """Answers per second of everybody who is at work; pauses are left out.

    So is a gap in which a batch came: the person may have waited for it. Who has given one answer
    only is as fast as the others on average.
    """
    news = sorted(event.at for event in state.published.values())
    there = annotators_of(state)
    people = {id_: person for id_, person in there.items() if id_ not in state.departed}
    latest = max((person.given[-1] for person in people.values()), default=0.0)
    known = {
        id_: _pace(person.given[-GAPS - 1 :], news)
        for id_, person in people.items()
        if person.given[-1] >= latest - AT_WORK
    }
    measured = [pace for pace in known.values() if pace is not None]
    usual = math.fsum(measured) / len(measured) if measured else 0.0
    return {person: usual if pace is None else pace for person, pace in known.items()}


def _pace(times: Sequence[float], news: Sequence[float]) -> float | None:
    """Of one person; ``news`` are the moments at which batches came, the earliest first."""
    gaps = [
        later - earlier
        for earlier, later in pairwise(times)
        if bisect_right(news, earlier) == bisect_right(news, later)
    ]
    if not gaps:
        return None
    usual = max(median(gaps), QUICKEST)
    work = [max(gap, QUICKEST) for gap in gaps if gap <= PAUSE * usual]
    return len(work) / math.fsum(work)
