"""Owns whether people run out of records before another batch can be there; pure.

Making a batch takes a while: train, measure, score, choose, publish. Meanwhile people work on what
is open. The next batch is begun early enough that something is left for everybody until it is
there, and no earlier: answers that come after that are not known to the model that chooses it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import median, median_low

from loopd.annotation.consensus import NOTHING, index_of, reacted
from loopd.config.audit import USUAL_FOLDS
from loopd.evaluation.classifier_choice import is_due
from loopd.events import BEFORE
from loopd.loop.answer_moments import annotators_of, moments_of
from loopd.loop.classifier_in_use import labels_compared
from loopd.machine import State
from loopd.metrics_log.measured import CROSSED
from loopd.records import ExternalId, text_of

MARGIN = 1.5
"""How much longer than the slowest of the last rounds the next one may take."""

ROUNDS = 3
"""So many of the last rounds say how long one takes."""

GAPS = 30
"""So many of a person's last answers say how fast the person is."""

PAUSE = 8.0
"""A gap of so many times the usual one is a pause, not work."""

SHORTEST_PAUSE = 60.0
"""Seconds that a pause takes at least: a hard text among easy ones is work."""

AT_WORK = 600.0
"""Who answered so many seconds before the last answer of all, or later, is at work."""

QUICKEST = 0.2
"""Seconds between two answers of one person at least; below are scripts and bulk labelling."""

BATCHES_OUT = 5
"""So many batches' worth of records are open at most, each as large as it has to be now."""

LARGEST_BATCH = 1500
"""Records that a batch has at most where loopd sizes it."""


def runs_low(
    state: State,
    waiting: frozenset[ExternalId],
    needed: int,
    delay: float,
    *,
    another_person: bool = True,
) -> bool:
    """Whether the next batch must be begun lest somebody waits for it.

    The records that are open to a person get fewer by the person's own answers, and by those of
    others that complete a record. False as long as no round has shown how long one takes.

    Args:
        state: what the journal says.
        waiting: external ids that wait for an answer.
        needed: answers that complete a record.
        delay: seconds until an answer is noticed.
        another_person: whether who has answered a text is asked for no second opinion of it.
    """
    horizon = _horizon(state, delay)
    if horizon is None:
        return False
    originals, records = state.originals, index_of(state).records
    done = Counter(
        person
        for id_ in waiting
        for person in reacted(
            records.get(originals.get(id_, text_of(id_)), NOTHING), None if another_person else id_
        )
    )
    falling = _falling(paces(state), needed)
    return any(
        len(waiting) - done[person] <= math.ceil(speed * horizon)
        for person, speed in falling.items()
    )


def has_room(state: State, waiting: int, needed: int, size: int) -> bool:
    """Whether another batch may come: one fast person must not fill the queue for slow ones.

    Args:
        state: what the journal says.
        waiting: records that wait for an answer.
        needed: answers that complete a record.
        size: the configured size of a batch.
    """
    return waiting <= BATCHES_OUT * lasting(state, needed, size)


def lasting(state: State, needed: int, size: int) -> int:
    """Records that the next batch needs so that it lasts until the one after it is there.

    Where ``auto`` may compare classifiers before that, it has to last for so long.

    Args:
        state: what the journal says.
        needed: answers that complete a record.
        size: the configured size, which is the least.
    """
    rounds = _usual_rounds(state)
    seconds = median_low(rounds) if rounds else 0.0
    fastest = max(_falling(paces(state), needed).values(), default=0.0)
    fastest = max(fastest, _rate_of_last_batch(state) / needed)
    lasts = max(size, min(math.ceil(fastest * seconds * MARGIN), LARGEST_BATCH))
    comparing = _comparing(state, lasts) or 0.0
    return max(lasts, min(math.ceil(fastest * comparing * MARGIN), LARGEST_BATCH))


@dataclass(frozen=True, slots=True)
class QueueNeed:
    """What has to be open so that nobody waits.

    Attributes:
        people: who are at work.
        per_minute: records that they complete.
        turnaround: seconds that a batch takes.
        records: that must be open when the next batch is begun.
    """

    people: int
    per_minute: float
    turnaround: float
    records: int


def queue_need(state: State, needed: int, delay: float) -> QueueNeed | None:
    """What has to be open; ``None`` before a round was measured, or with nobody at work.

    Nor where fewer people are at work than a record needs: together they complete none.

    Args:
        state: what the journal says.
        needed: answers that complete a record.
        delay: seconds until an answer is noticed.
    """
    speeds, seconds = paces(state), turnaround(state)
    horizon = _horizon(state, delay)
    if seconds is None or horizon is None or len(speeds) < needed or not any(speeds.values()):
        return None
    fastest = max(_falling(speeds, needed).values())
    per_minute = 60 * math.fsum(speeds.values()) / needed
    most = BATCHES_OUT * LARGEST_BATCH
    return QueueNeed(len(speeds), per_minute, seconds, min(math.ceil(fastest * horizon), most))


def _horizon(state: State, delay: float) -> float | None:
    """Seconds until another batch may be there at the latest."""
    seconds = turnaround(state)
    return None if seconds is None else seconds * MARGIN + delay


def _falling(speeds: Mapping[str, float], needed: int) -> dict[str, float]:
    """By how much a second the records fall that are open to a person."""
    everybody = math.fsum(speeds.values())
    return {person: own + (everybody - own) / needed for person, own in speeds.items()}


def _rate_of_last_batch(state: State) -> float:
    """Answers per second while the last batch was open, if nothing was left of it.

    Then there may be more people than those who got something to answer, and nobody had the time to
    show a pace.
    """
    last = state.collected.get(state.round)
    if last is None or last.open_records:
        return 0.0
    reactions = moments_of(state).given
    on_batch = [reactions.get(id_, {}) for id_ in state.batch.external_ids]
    times = [moment for moments in on_batch for moment in moments.values()]
    people = {person for moments in on_batch for person in moments}
    if len(times) < 2:
        return 0.0
    most = len(people) / QUICKEST
    return min((len(times) - 1) / max(max(times) - min(times), 1e-9), most)


def turnaround(state: State) -> float | None:
    """Seconds that the slowest of the last rounds took from enough answers to the next batch.

    The steps alone, without the time in which no daemon ran; ``None`` before the first round. Where
    the next batch is not out yet, choosing and publishing count as they did for the one before.
    """
    return max(_last_rounds(state), default=None)


def _last_rounds(state: State) -> list[float]:
    """Seconds of the steps of the last rounds, and of one that compares where that is due."""
    comparing = _comparing(state)
    return [*_usual_rounds(state), *([] if comparing is None else [comparing])]


def _usual_rounds(state: State) -> list[float]:
    """Seconds of the steps of the last rounds in which ``auto`` compared nothing, if any.

    The first round is often a slow one: a model is loaded, and all texts are encoded.
    """
    plain = (number for number in _latest(state) if not state.evaluated[number].classifiers)
    last = [*islice(plain, ROUNDS)] or islice(_latest(state), ROUNDS)
    return [took for number in last if (took := _took(state, number)) is not None]


def _comparing(state: State, more: int = 0) -> float | None:
    """Seconds of a round in which ``auto`` compares classifiers; ``None`` where none may come now.

    As long as the last such round took. Before the first one it is foreseen: another training for
    each part of a cross-validation, unless rounds are cross-validated anyway.

    Args:
        state: what the journal says.
        more: records that will be out besides those that are.
    """
    number = next(_latest(state), None)
    if number is None or not state.trained[number].classifier:
        return None
    if not is_due(_labels_soon(state, number) + more, labels_compared(state)):
        return None
    compared = (each for each in _latest(state) if state.evaluated[each].classifiers)
    if (last := next(compared, None)) is not None:
        return _took(state, last)
    took = _took(state, number)
    if took is None or any(name.startswith(CROSSED) for name in state.evaluated[number].metrics):
        return took
    folds = state.started.folds if state.started is not None else None
    return took + (folds or USUAL_FOLDS) * state.trained[number].seconds


def _latest(state: State) -> Iterator[int]:
    """Numbers of the rounds that were measured, the last one first."""
    return (number for number in range(state.round, BEFORE - 1, -1) if number in state.evaluated)


def _labels_soon(state: State, number: int) -> int:
    """Labels that the model after that of a round has, if everything that is out is answered."""
    closed = state.collected.get(number)
    later = sum(len(batch.items) for batch in state.batches[number + 1 :])
    left = 0 if closed is None else closed.open_records
    return state.trained[number].labels + left + later


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
    is_bulk = usual == QUICKEST  # then the gaps between the clicks are the work
    pause = AT_WORK if is_bulk else max(PAUSE * usual, SHORTEST_PAUSE)
    work = [max(gap, QUICKEST) for gap in gaps if gap <= pause]
    return len(work) / math.fsum(work)
