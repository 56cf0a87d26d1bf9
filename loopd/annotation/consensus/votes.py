"""Owns what the answers in a state amount to: votes on records, and who still waits; pure.

Answers come by external id, votes by pool record: a copy that asks for a second opinion counts for
its original, and each person counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain

from loopd.annotation.consensus.index import (
    NO_KEYS,
    NOTHING,
    Key,
    RecordAnswers,
    index_of,
    is_given,
    is_gone,
    waiting,
)
from loopd.derived import Kind
from loopd.machine import State
from loopd.records import (
    Answer,
    AnswerStatus,
    ExternalId,
    JsonValue,
    PoolId,
    Span,
    Target,
    published_as,
    text_of,
)

Read = Callable[[JsonValue], "Target | None"]
"""What a submitted value means; ``None`` where it is not allowed. A task's ``target``."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's opinion of one record.

    Attributes:
        annotator: identifier of the person.
        target: what the person says.
        time: when the person first answered, as in :class:`~loopd.records.Answer`.
    """

    annotator: str
    target: Target
    time: str


Ballots = Mapping[PoolId, tuple[Vote, ...]]
"""Votes by pool id, each record's in the order of their times."""


def as_given(value: JsonValue) -> Target | None:
    """The target that a valid value plainly is, where the task is not at hand."""
    if isinstance(value, (list, tuple)):
        return tuple(_part(part) for part in value)  # type: ignore[return-value]
    return None if value is None else str(value)


def ballots(state: State, read: Read = as_given, *, another_person: bool = True) -> Ballots:
    """Votes on each record that is present and has a submitted answer; ids in order.

    Of several answers of one person on a record and its copies the one on the latest copy counts;
    where the configuration wants another person for a second opinion, the earlier one does.

    Args:
        state: what the journal says.
        read: what values mean.
        another_person: ``relabel.another_person``.
    """
    return dict(sorted(iter_ballots(state, read, another_person=another_person)))


def iter_ballots(
    state: State, read: Read = as_given, *, another_person: bool = True
) -> Iterator[tuple[PoolId, tuple[Vote, ...]]]:
    """The same record by record, in no order, for callers that may stop early."""
    for id_, entry in index_of(state).records.items():
        if votes := _votes(id_, entry, state, read, another_person):
            yield id_, votes


def repeats(state: State) -> frozenset[Key]:
    """Answers on copies, discards too, of people who had submitted one on the record before."""
    index = index_of(state)
    return frozenset(chain.from_iterable(index.records[id_].repeats for id_ in index.repeated))


def answered(state: State, *, another_person: bool = True) -> frozenset[ExternalId]:
    """External ids that have a submitted answer which counts."""
    index = index_of(state)
    return frozenset(
        answer.external_id
        for id_, entry in index.records.items()
        for answer in _counting(id_, entry, state, another_person)
    )


def any_answered(
    state: State, external_ids: Iterable[ExternalId], *, another_person: bool = True
) -> bool:
    """Whether any of these has a submitted answer which counts."""
    records, originals = index_of(state).records, state.originals
    wanted_ids = frozenset(external_ids)
    return any(
        answer.external_id in wanted_ids
        for id_ in {originals.get(id_, text_of(id_)) for id_ in wanted_ids}
        for answer in _counting(id_, records.get(id_, NOTHING), state, another_person)
    )


def labelled(state: State) -> frozenset[PoolId]:
    """Records that are present and have a submitted answer."""
    return state.derived.result(_LABELLED, state)


def discarded(state: State) -> frozenset[PoolId]:
    """Records that people discarded (or answered with something unknown) and nobody labelled."""
    return frozenset(id_ for id_, entry in index_of(state).records.items() if entry.discarded)


def unresolved(
    state: State, min_submitted: int, *, another_person: bool = True
) -> frozenset[ExternalId]:
    """External ids that still wait for somebody.

    A record is resolved when as many people as asked for have submitted, discarded or answered
    with something unknown, or when it is gone: a discard must never block a batch. A copy needs one
    person, who must not have answered the record before where the configuration wants another one;
    it is gone when its original is, and resolved when nobody is left whom it could ask.
    """
    waits = waiting(state, (min_submitted, another_person))
    if not another_person or not state.all_planned.copies:
        return waits
    originals, index = state.originals, index_of(state)
    people = {person for person, answers in index.people.items() if answers}
    present = people - state.departed if len(people) > 1 else set()
    return frozenset(
        id_
        for id_ in waits
        if published_as(originals[id_]) == id_
        or not _is_spent(index.records[originals[id_]], present)
    )


def given(state: State) -> Iterator[Answer]:
    """Answers of any kind that people gave in this run and did not take back."""
    return filter(is_given, state.answers.values())


def outside(state: State) -> frozenset[PoolId]:
    """Pool ids of records that nobody is asked for although no batch ever had them.

    People have reacted to them: they were in the dataset before loopd came, or somebody has put
    them there since. Or they are gone from a dataset that is the pool.
    """
    answered: frozenset[PoolId] = state.derived.result(_OUTSIDE, state)
    return state.gone | answered if state.gone else answered


def reactions(state: State) -> defaultdict[PoolId, set[str]]:
    """Who of this run has answered each record or a copy of it in any way."""
    people_by_record: defaultdict[PoolId, set[str]] = defaultdict(set)
    for id_, entry in index_of(state).records.items():
        if people := reacted(entry):
            people_by_record[id_] = people
    return people_by_record


def reacted(entry: RecordAnswers, only: ExternalId | None = None) -> set[str]:
    """Who of this run has answered a record or a copy of it in any way, or that one ``only``."""
    return {
        answer.annotator
        for answer in entry.answers
        if is_given(answer) and only in (None, answer.external_id)
    }


def to_set_aside(state: State) -> tuple[Answer, ...]:
    """Answers on copies that must become discards, so that another person is shown the copy."""
    counted = (AnswerStatus.SUBMITTED, AnswerStatus.INVALID)
    return tuple(
        state.answers[key]
        for key in sorted(key for key in repeats(state) if state.answers[key].status in counted)
        if key[0] not in state.deleted
        and key[1] not in state.departed  # there is nothing left to change
    )


def _votes(
    record_id: PoolId, entry: RecordAnswers, state: State, read: Read, another_person: bool
) -> tuple[Vote, ...]:
    """The votes on one record, in the order of their times."""
    latest: dict[str, Answer] = {}
    for answer in _counting(record_id, entry, state, another_person):
        before = latest.get(answer.annotator)
        if before is None or _rank(before, entry) < _rank(answer, entry):
            latest[answer.annotator] = answer
    targets = ((answer, read(answer.value)) for answer in latest.values())
    votes = [
        Vote(answer.annotator, target, answer.time)
        for answer, target in targets
        if target is not None
    ]
    return tuple(sorted(votes, key=_by_time))


def _counting(
    record_id: PoolId, entry: RecordAnswers, state: State, another_person: bool
) -> list[Answer]:
    """Submitted answers on a record, without what is gone from Argilla or said again."""
    if not entry.labelled:
        return []
    ignored = entry.repeats if another_person else NO_KEYS
    return [
        answer
        for answer in entry.answers
        if answer.status is AnswerStatus.SUBMITTED
        and not is_gone(answer, record_id, state)
        and (answer.external_id, answer.annotator) not in ignored
    ]


def _is_spent(entry: RecordAnswers, people: AbstractSet[str]) -> bool:
    """Whether all of the people who can be asked have reacted to the record in some way."""
    return bool(people) and people <= reacted(entry)


def _rank(answer: Answer, entry: RecordAnswers) -> int:
    """How late batches asked for what was answered; -1 where none did."""
    ids = entry.external_ids
    return ids.index(answer.external_id) if answer.external_id in ids else -1


def _by_time(vote: Vote) -> tuple[str, str]:
    return vote.time, vote.annotator


def _part(value: JsonValue) -> Span | str:
    if isinstance(value, dict):
        return Span(int(str(value["start"])), int(str(value["end"])), str(value["label"]))
    return str(value)


def _those(is_one: Callable[[RecordAnswers], bool]) -> Kind[State, frozenset[PoolId]]:
    """The records of which something is true, as one set for each state."""

    def build(state: State) -> frozenset[PoolId]:
        return frozenset(id_ for id_, entry in index_of(state).records.items() if is_one(entry))

    return Kind(build, lambda *_: None)


_LABELLED = _those(lambda entry: entry.labelled)
_OUTSIDE = _those(lambda entry: entry.outside)
