"""Owns when each answer was given and last changed, kept up to date event by event; pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loopd.annotation.consensus import is_given
from loopd.derived import Kind
from loopd.growing import GrowingMap
from loopd.loop.answer_times import changed_at, given_at
from loopd.machine import AnswersCollected, Event, State
from loopd.records import Answer, AnswerStatus

Key = tuple[str, str]

KEPT, LEAST = 96, 32
"""Newest times of each annotator that are kept, and those that are never lacking."""


class Moments(NamedTuple):
    """Seconds since 1970.

    Attributes:
        given: when the answer stopped being a draft.
        changed: when it became what it is.
    """

    given: float
    changed: float


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one person has answered in this run and not taken back.

    Attributes:
        counts: answers by status.
        given, changed: the newest moments of these answers, oldest first: all or ``LEAST`` at
            least, and ``KEPT`` at most.
    """

    counts: Mapping[AnswerStatus, int] = field(default_factory=dict)
    given: tuple[float, ...] = ()
    changed: tuple[float, ...] = ()

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


NOBODY = Annotator()


@dataclass(frozen=True, slots=True)
class AnswerMoments:
    """When the answers of a state came.

    Attributes:
        answers: of the state.
        moments: by external id and annotator; ``None`` of answers that were taken back, or that
            nobody gave in this run.
        annotators: by id.
    """

    answers: Mapping[Key, Answer]
    moments: GrowingMap[Key, Moments | None]
    annotators: GrowingMap[str, Annotator]


def moments_of(state: State) -> AnswerMoments:
    """When the answers of a state came."""
    return state.derived.result(_MOMENTS, state)


def annotators_of(state: State) -> dict[str, Annotator]:
    """Everybody who has answered in this run, by id."""
    everybody = moments_of(state).annotators.items()
    return {id_: annotator for id_, annotator in everybody if annotator.given}


def _build(state: State) -> AnswerMoments:
    moments = [(key, _moments(answer)) for key, answer in state.answers.items()]
    counts: dict[str, Counter[AnswerStatus]] = defaultdict(Counter)
    times: dict[str, list[Moments]] = defaultdict(list)
    for key, both in moments:
        if both is not None:
            counts[key[1]][state.answers[key].status] += 1
            times[key[1]].append(both)
    annotators = ((id_, _annotator(counts[id_], some)) for id_, some in times.items())
    return AnswerMoments(state.answers, GrowingMap(moments), GrowingMap(annotators))


def _annotator(counts: Counter[AnswerStatus], times: Iterable[Moments]) -> Annotator:
    given, changed = zip(*times, strict=True)
    return Annotator(counts, tuple(sorted(given)[-KEPT:]), tuple(sorted(changed)[-KEPT:]))


def _moments(answer: Answer) -> Moments | None:
    return Moments(given_at(answer), changed_at(answer)) if is_given(answer) else None


def _advance(before: AnswerMoments, events: Sequence[Event], state: State) -> AnswerMoments | None:
    news = [event for event in events if isinstance(event, AnswersCollected)]
    changes: dict[Key, Moments | None] = {}
    people: dict[str, _Tally] = {}
    for key in dict.fromkeys(_key(answer) for event in news for answer in event.answers):
        person = key[1]
        tally = people.get(person) or _Tally(before.annotators.get(person, NOBODY))
        people[person] = tally
        old, answer = before.moments.get(key), state.answers[key]
        if old is not None:
            tally.take(before.answers[key].status, old)
        changes[key] = now = _moments(answer)
        if now is not None:
            tally.add(answer.status, now)
    if any(tally.lacks for tally in people.values()):
        return None  # so many were taken back that older ones count again
    return AnswerMoments(
        state.answers,
        before.moments.updated(changes.items()),
        before.annotators.updated((id_, tally.annotator) for id_, tally in people.items()),
    )


def _key(answer: Answer) -> Key:
    return answer.record_id, answer.annotator


class _Tally:
    """One annotator while answers come and go."""

    def __init__(self, before: Annotator) -> None:
        self._counts = Counter(before.counts)
        self._times = (list(before.given), list(before.changed))

    def add(self, status: AnswerStatus, moments: Moments) -> None:
        """One answer more."""
        total = self._counts.total()
        self._counts[status] += 1
        for times, time in zip(self._times, moments, strict=True):
            if len(times) == total or time >= times[0]:
                insort(times, time)

    def take(self, status: AnswerStatus, moments: Moments) -> None:
        """One answer less."""
        self._counts[status] -= 1
        for times, time in zip(self._times, moments, strict=True):
            position = bisect_left(times, time)
            if times[position : position + 1] == [time]:
                del times[position]

    @property
    def lacks(self) -> bool:
        """Whether fewer times are left than there must be."""
        needed = min(LEAST, self._counts.total())
        return any(len(times) < needed for times in self._times)

    @property
    def annotator(self) -> Annotator:
        """What it comes to."""
        given, changed = (tuple(times[-KEPT:]) for times in self._times)
        return Annotator(+self._counts, given, changed)


_MOMENTS: Kind[State, AnswerMoments] = Kind(_build, _advance)
