"""What the answers in a state amount to, walked from the beginning each time: slow and plain.

The measure for what is kept up to date event by event.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from loopd.annotation.consensus.index import Key
from loopd.annotation.consensus.votes import Ballots, Read, Vote, as_given
from loopd.machine import State
from loopd.records import Answer, AnswerStatus, ExternalId, PoolId, published_as, text_of


def ballots(state: State, read: Read = as_given, *, another_person: bool = True) -> Ballots:
    """Votes on each record that is present and has a submitted answer; ids in order.

    Of several answers of one person on a record and its copies the one on the latest copy counts;
    where the configuration wants another person for a second opinion, the earlier one does.

    Args:
        state: what the journal says.
        read: what values mean.
        another_person: ``relabel.another_person``.
    """
    place = {id_: number for number, id_ in enumerate(state.originals)}
    ignored = repeats(state) if another_person else frozenset()
    latest: dict[tuple[PoolId, str], Answer] = {}
    for record_id, answers in _submitted(state).items():
        for answer in answers:
            if (answer.external_id, answer.annotator) not in ignored:
                before = latest.get((record_id, answer.annotator))
                if before is None or _place(before, place) < _place(answer, place):
                    latest[record_id, answer.annotator] = answer
    found: dict[PoolId, list[Vote]] = defaultdict(list)
    for (record_id, annotator), answer in latest.items():
        target = read(answer.value)
        if target is not None:
            found[record_id].append(Vote(annotator, target, answer.time))
    return {id_: tuple(sorted(found[id_], key=_by_time)) for id_ in sorted(found)}


def repeats(state: State) -> frozenset[Key]:
    """Answers on copies, discards too, of people who had submitted one on the record before."""
    originals = state.originals
    copies = {id_ for id_, record_id in originals.items() if text_of(id_) != record_id}
    if not copies:
        return frozenset()
    first: dict[tuple[PoolId, str], tuple[str, str]] = {}
    for record_id, answers in _submitted(state).items():
        for answer in answers:
            moment = (answer.time, answer.external_id)
            key = (record_id, answer.annotator)
            first[key] = min(first.get(key, moment), moment)
    found = set()
    for id_, annotator in state.answers:
        if id_ in copies:
            time, where = first.get((originals[id_], annotator), ("", id_))
            if where != id_ and time <= state.answers[id_, annotator].time:
                found.add((id_, annotator))
    return frozenset(found)


def answered(state: State, *, another_person: bool = True) -> frozenset[ExternalId]:
    """External ids that have a submitted answer which counts."""
    ignored = repeats(state) if another_person else frozenset()
    return frozenset(
        answer.external_id
        for answers in _submitted(state).values()
        for answer in answers
        if (answer.external_id, answer.annotator) not in ignored
    )


def labelled(state: State) -> frozenset[PoolId]:
    """Records that are present and have a submitted answer."""
    return frozenset(_submitted(state))


def discarded(state: State) -> frozenset[PoolId]:
    """Records that people discarded (or answered with something unknown) and nobody labelled."""
    originals = state.originals
    refused = {
        originals.get(answer.external_id, text_of(answer.external_id))
        for answer in state.answers.values()
        if answer.status in (AnswerStatus.DISCARDED, AnswerStatus.INVALID) and not answer.imported
    }
    return frozenset(refused - labelled(state) - set(map(text_of, state.deleted)))


def unresolved(
    state: State, min_submitted: int, *, another_person: bool = True
) -> frozenset[ExternalId]:
    """External ids that still wait for somebody.

    A record is resolved when as many people as asked for have submitted, discarded or answered
    with something unknown, or when it is gone: a discard must never block a batch. A copy needs one
    person, who must not have answered the record before where the configuration wants another one;
    it is gone when its original is, and resolved when nobody is left whom it could ask.
    """
    ignored = repeats(state) if another_person else frozenset()
    spent = _spent(state) if another_person else frozenset()
    done = Counter(
        answer.external_id
        for answer in given(state)
        if (answer.external_id, answer.annotator) not in ignored
    )
    return frozenset(
        id_
        for id_, record_id in state.originals.items()
        if id_ not in state.deleted
        and published_as(record_id) not in state.deleted
        and done[id_] < (min_submitted if text_of(id_) == record_id else 1)
        and not (text_of(id_) != record_id and record_id in spent)
    )


def given(state: State) -> Iterator[Answer]:
    """Answers of any kind that people gave in this run and did not take back."""
    return (
        answer
        for answer in state.answers.values()
        if answer.status is not AnswerStatus.WITHDRAWN and not answer.imported
    )


def outside(state: State) -> frozenset[PoolId]:
    """Pool ids of records that people have reacted to although no batch ever asked for them.

    They were in the dataset before loopd came, or somebody has put them there since.
    """
    planned = state.planned_ids
    originals = state.originals
    return frozenset(
        text_of(answer.external_id)
        for answer in given(state)
        if answer.external_id not in originals and text_of(answer.external_id) not in planned
    )


def reactions(state: State) -> defaultdict[PoolId, set[str]]:
    """Who of this run has answered each record or a copy of it in any way."""
    originals = state.originals
    found: defaultdict[PoolId, set[str]] = defaultdict(set)
    for answer in given(state):
        found[originals.get(answer.external_id, text_of(answer.external_id))].add(answer.annotator)
    return found


def _spent(state: State) -> frozenset[PoolId]:
    """Records to which all of several people of this run have reacted in some way."""
    found = reactions(state)
    people = frozenset().union(*found.values())
    return frozenset(id_ for id_, some in found.items() if len(people) > 1 and people <= some)


def to_set_aside(state: State) -> tuple[Answer, ...]:
    """Answers on copies that must become discards, so that another person is shown the copy."""
    counted = (AnswerStatus.SUBMITTED, AnswerStatus.INVALID)
    return tuple(
        state.answers[key]
        for key in sorted(repeats(state))
        if state.answers[key].status in counted and key[0] not in state.deleted
    )


def _submitted(state: State) -> Mapping[PoolId, list[Answer]]:
    """Submitted answers by record, without what is gone from Argilla."""
    originals = state.originals
    found: dict[PoolId, list[Answer]] = defaultdict(list)
    for answer in state.answers.values():
        record_id = originals.get(answer.external_id, text_of(answer.external_id))
        gone = {answer.external_id, published_as(record_id)} & state.deleted
        if answer.status is AnswerStatus.SUBMITTED and not gone:
            found[record_id].append(answer)
    return found


def _place(answer: Answer, places: Mapping[ExternalId, int]) -> int:
    return places.get(answer.external_id, -1)


def _by_time(vote: Vote) -> tuple[str, str]:
    return vote.time, vote.annotator
