"""Owns when each answer was given and last changed, kept up to date event by event; pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loopd.annotation.consensus import is_given
from loopd.derived import Kind
from loopd.events import AnswersCollected, Event, TextsWithdrawn
from loopd.growing_map import GrowingMap
from loopd.loop.answer_times import changed_at, given_at
from loopd.machine import State
from loopd.records import Answer, AnswerStatus, ExternalId

Key = tuple[ExternalId, str]

KEPT, LEAST = 96, 32
"""Newest times of each annotator that are kept, and those that are never lacking."""


Moments = tuple[float, float]
"""When an answer was given (stopped being a draft), and when it became what it is.

Seconds since 1970.
"""


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
        given: seconds since 1970 at which people gave answers, by external id and annotator.
        annotators: by id.
    """

    answers: Mapping[Key, Answer]
    given: GrowingMap[ExternalId, Mapping[str, float]]
    annotators: GrowingMap[str, Annotator]


def moments_of(state: State) -> AnswerMoments:
    """When the answers of a state came."""
    return state.derived.result(_MOMENTS, state)


def annotators_of(state: State) -> dict[str, Annotator]:
    """Everybody who has answered in this run, by id."""
    everybody = moments_of(state).annotators.items()
    return {id_: annotator for id_, annotator in everybody if annotator.given}


def _build(state: State) -> AnswerMoments:
    first_times: dict[ExternalId, dict[str, float]] = defaultdict(dict)
    counts: dict[str, Counter[AnswerStatus]] = defaultdict(Counter)
    times: dict[str, list[Moments]] = defaultdict(list)
    for (id_, person), answer in state.answers.items():
        if is_given(answer):
            both = _moments(answer)
            first_times[id_][person] = both[0]
            counts[person][answer.status] += 1
            times[person].append(both)
    annotators = ((person, _annotator(counts[person], some)) for person, some in times.items())
    return AnswerMoments(state.answers, GrowingMap(first_times.items()), GrowingMap(annotators))


def _annotator(counts: Counter[AnswerStatus], times: Iterable[Moments]) -> Annotator:
    answered, changed = zip(*times, strict=True)
    return Annotator(counts, tuple(sorted(answered)[-KEPT:]), tuple(sorted(changed)[-KEPT:]))


def _moments(answer: Answer) -> Moments:
    first_time = given_at(answer)
    if answer.changed == (answer.given or answer.time):
        return first_time, first_time
    return first_time, changed_at(answer)


def _advance(before: AnswerMoments, events: Sequence[Event], state: State) -> AnswerMoments | None:
    if any(isinstance(event, TextsWithdrawn) for event in events):
        return None
    news = [event for event in events if isinstance(event, AnswersCollected)]
    first_times: dict[ExternalId, dict[str, float]] = {}
    people: dict[str, _Tally] = {}
    for id_, person in dict.fromkeys(_key(answer) for event in news for answer in event.answers):
        if person not in people:
            people[person] = _Tally(before.annotators.get(person, NOBODY))
        if id_ not in first_times:
            first_times[id_] = dict(before.given.get(id_, {}))
        was, answer = before.answers.get((id_, person)), state.answers[id_, person]
        if was is not None and is_given(was):
            people[person].take(was.status, _moments(was))
            del first_times[id_][person]
        if is_given(answer):
            people[person].add(answer.status, _moments(answer))
            first_times[id_][person] = given_at(answer)
    if any(tally.lacks for tally in people.values()):
        return None  # so many were taken back that older ones count again
    return AnswerMoments(
        state.answers,
        before.given.updated(first_times.items()),
        before.annotators.updated((id_, tally.annotator) for id_, tally in people.items()),
    )


def _key(answer: Answer) -> Key:
    return answer.external_id, answer.annotator


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
        answered, changed = (tuple(times[-KEPT:]) for times in self._times)
        return Annotator(+self._counts, answered, changed)


_MOMENTS: Kind[State, AnswerMoments] = Kind(_build, _advance)
