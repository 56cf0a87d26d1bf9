"""Who waits and how fast people are, walked from the beginning each time: slow and plain."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from loopd.loop.answer_times import given_at
from loopd.loop.queue import (
    AT_WORK,
    GAPS,
    MARGIN,
    PAUSE,
    QUICKEST,
    SHORTEST_PAUSE,
    turnaround,
)
from loopd.machine import State
from loopd.records import ExternalId, text_of
from tests.annotation.walked import given, reactions


def runs_low(
    state: State, waiting: frozenset[ExternalId], needed: int, poll_interval: float
) -> bool:
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
    speeds, reacted = paces(state), reactions(state)
    records = [state.originals.get(id_, text_of(id_)) for id_ in waiting]
    everybody = math.fsum(speeds.values())
    for person, own in speeds.items():
        falling = own + (everybody - own) / needed
        left = sum(person not in reacted[id_] for id_ in records)
        if left <= math.ceil(falling * (seconds * MARGIN + poll_interval)):
            return True
    return False


def paces(state: State) -> dict[str, float]:
    """Answers per second of everybody who is at work; pauses are left out.

    So is a gap in which a batch came: the person may have waited for it. Who has given one answer
    only is as fast as the others on average.
    """
    news = [each.at for each in state.published.values()]
    times: dict[str, list[float]] = defaultdict(list)
    for answer in given(state):
        times[answer.annotator].append(given_at(answer))
    latest = max((max(each) for each in times.values()), default=0.0)
    known = {
        person: _pace(sorted(each)[-GAPS - 1 :], news)
        for person, each in times.items()
        if max(each) >= latest - AT_WORK
    }
    measured = [pace for pace in known.values() if pace is not None]
    usual = math.fsum(measured) / len(measured) if measured else 0.0
    return {person: usual if pace is None else pace for person, pace in known.items()}


def _pace(times: Sequence[float], news: Sequence[float]) -> float | None:
    gaps = [
        later - earlier
        for earlier, later in pairwise(times)
        if not any(earlier < each <= later for each in news)
    ]
    if not gaps:
        return None
    usual = max(median(gaps), QUICKEST)
    pause = AT_WORK if usual == QUICKEST else max(PAUSE * usual, SHORTEST_PAUSE)
    work = [max(gap, QUICKEST) for gap in gaps if gap <= pause]
    return len(work) / math.fsum(work)


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
        reacted[answer.external_id][answer.annotator] = given_at(answer)
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
