"""Owns what people said, sorted by record and kept up to date answer by answer; pure.

Everything that is asked at each look at Argilla depends on one record at a time. So an event costs
what it touches, however many answers a run has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from loopd.derived import Kind
from loopd.events import AnswersCollected, BatchPlanned, Event, RunRecovered, TextsWithdrawn
from loopd.growing_map import GrowingMap
from loopd.machine import State
from loopd.records import Answer, AnswerStatus, ExternalId, PoolId, published_as, text_of

Item = TypeVar("Item")

Key = tuple[ExternalId, str]
"""External id and annotator of an answer."""

REFUSED = (AnswerStatus.DISCARDED, AnswerStatus.INVALID)

NO_KEYS: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class RecordAnswers:
    """What people said of one record of the pool and of its copies.

    Attributes:
        answers: the present ones, in the order in which they first came.
        external_ids: under which batches asked for it, in their order.
        repeats: answers on copies of people who had submitted one on the record before.
        labelled: whether it is present and has a submitted answer.
        discarded: whether people discarded it, or answered with something unknown, and nobody
            labelled it.
        outside: whether people have reacted to it although no batch asked for it.
        unplanned: whether it is labelled or outside, and was never in a batch as a new text.
    """

    answers: tuple[Answer, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    repeats: frozenset[Key] = NO_KEYS
    labelled: bool = False
    discarded: bool = False
    outside: bool = False
    unplanned: bool = False


NOTHING = RecordAnswers()

Rule = tuple[int, bool]
"""Answers that complete a new text, and whether a second opinion must be another person's."""


@dataclass(frozen=True, slots=True)
class AnswerIndex:
    """All answers of a state by record.

    Attributes:
        records: by pool id; by their own id those that were never in a batch or the pool.
        people: answers that each annotator has given in this run and not taken back.
        labelled, discarded, unplanned: how many records are.
        repeated: records with ``repeats``.
        invalid: answers of this run with a label that the task lacks.
        waiting: external ids that wait for somebody, by rule; of copies also those that nobody is
            left to answer. Filled when it is asked for.
    """

    records: GrowingMap[PoolId, RecordAnswers] = field(default_factory=GrowingMap)
    people: GrowingMap[str, int] = field(default_factory=GrowingMap)
    labelled: int = 0
    discarded: int = 0
    unplanned: int = 0
    repeated: frozenset[PoolId] = frozenset()
    invalid: frozenset[Key] = NO_KEYS
    waiting: dict[Rule, frozenset[ExternalId]] = field(default_factory=dict)


def index_of(state: State) -> AnswerIndex:
    """The answers of a state by record."""
    return state.derived.result(_INDEX, state)


def is_given(answer: Answer) -> bool:
    """Whether a person gave it in this run and did not take it back."""
    return answer.status is not AnswerStatus.WITHDRAWN and not answer.imported


def is_gone(answer: Answer, record_id: PoolId, state: State) -> bool:
    """Whether the record, or the copy that was answered, is gone from Argilla."""
    deleted = state.deleted
    return bool(deleted) and (answer.external_id in deleted or published_as(record_id) in deleted)


def waiting(state: State, rule: Rule) -> frozenset[ExternalId]:
    """See :attr:`AnswerIndex.waiting`."""
    index = index_of(state)
    if rule not in index.waiting:
        entries = index.records.items()
        index.waiting[rule] = frozenset(
            chain.from_iterable(_open_ids(id_, entry, state, rule) for id_, entry in entries)
        )
    return index.waiting[rule]


# -- from the beginning ----------------------------------------------------------------------------


def _build(state: State) -> AnswerIndex:
    originals = state.originals
    ids: dict[PoolId, list[ExternalId]] = defaultdict(list)
    for external_id, record_id in originals.items():
        ids[record_id].append(external_id)
    answers: dict[PoolId, list[Answer]] = defaultdict(list)
    for answer in state.answers.values():
        answers[originals.get(answer.external_id, text_of(answer.external_id))].append(answer)
    entries = {
        id_: _entry(id_, answers.get(id_, ()), ids.get(id_, ()), state)
        for id_ in dict.fromkeys(chain(ids, answers))
    }
    reactions = Counter(answer.annotator for answer in state.answers.values() if is_given(answer))
    return _counted(AnswerIndex(), entries, reactions)


def _entry(
    record_id: PoolId, answers: Sequence[Answer], ids: Sequence[ExternalId], state: State
) -> RecordAnswers:
    labelled = refused = outside = False
    for answer in answers:
        if answer.status is AnswerStatus.SUBMITTED:
            labelled = labelled or not is_gone(answer, record_id, state)
        elif answer.status in REFUSED:
            refused = refused or not answer.imported
        if answer.external_id not in ids:
            outside = outside or is_given(answer)
    return RecordAnswers(
        tuple(answers),
        tuple(ids),
        _repeats(record_id, answers, ids, state),
        labelled,
        refused and not labelled and published_as(record_id) not in state.deleted,
        outside,
        (labelled or outside) and published_as(record_id) not in ids,
    )


def _repeats(
    record_id: PoolId, answers: Sequence[Answer], ids: Sequence[ExternalId], state: State
) -> frozenset[Key]:
    copies = [id_ for id_ in ids if id_ != published_as(record_id)]
    if not copies:
        return NO_KEYS
    first: dict[str, tuple[str, ExternalId]] = {}
    for answer in answers:
        if answer.status is AnswerStatus.SUBMITTED and not is_gone(answer, record_id, state):
            moment = (answer.time, answer.external_id)
            first[answer.annotator] = min(first.get(answer.annotator, moment), moment)
    return frozenset(
        (answer.external_id, answer.annotator)
        for answer in answers
        if answer.external_id in copies and _is_later(answer, first.get(answer.annotator))
    )


def _is_later(answer: Answer, first: tuple[str, ExternalId] | None) -> bool:
    """Whether the person had submitted an answer under another id of the record before."""
    return first is not None and first[1] != answer.external_id and first[0] <= answer.time


def _open_ids(
    record_id: PoolId, entry: RecordAnswers, state: State, rule: Rule
) -> Iterator[ExternalId]:
    """External ids of one record that wait for somebody."""
    original_id = published_as(record_id)
    if original_id in state.deleted:
        return
    needed, another_person = rule
    ignored = entry.repeats if another_person else NO_KEYS
    done = [
        answer.external_id
        for answer in entry.answers
        if is_given(answer) and (answer.external_id, answer.annotator) not in ignored
    ]
    for id_ in entry.external_ids:
        if id_ not in state.deleted and done.count(id_) < (needed if id_ == original_id else 1):
            yield id_


# -- from one state to the next --------------------------------------------------------------------


def _advance(index: AnswerIndex, events: Sequence[Event], state: State) -> AnswerIndex | None:
    """The index after these events, ``None`` where records became others."""
    if any(isinstance(event, (RunRecovered, TextsWithdrawn)) for event in events):
        return None
    planned = [event.batch for event in events if isinstance(event, BatchPlanned)]
    items = [item for batch in planned for item in batch.items]
    if any(text_of(item.copy_id) in index.records for item in items if item.copy_id is not None):
        return None  # it was answered before it was known as a copy
    news = [event for event in events if isinstance(event, AnswersCollected)]
    ids: dict[PoolId, list[ExternalId]] = defaultdict(list)
    for item in items:
        ids[item.record_id].append(item.external_id)
    changed = [answer for event in news for answer in event.answers]
    gone = [id_ for event in news for id_ in (*event.deleted, *event.restored)]
    return _moved(index, ids, changed, gone, state) if ids or changed or gone else index


def _moved(
    index: AnswerIndex,
    ids: Mapping[PoolId, Sequence[ExternalId]],
    changed: Iterable[Answer],
    gone: Iterable[ExternalId],
    state: State,
) -> AnswerIndex:
    originals = state.originals
    answers: dict[PoolId, dict[Key, Answer]] = defaultdict(dict)
    more: Counter[str] = Counter()
    for answer in changed:
        record_id = originals.get(answer.external_id, text_of(answer.external_id))
        answers[record_id][answer.external_id, answer.annotator] = answer
    touched = {originals.get(id_, text_of(id_)) for id_ in gone}.intersection(index.records)
    entries = {}
    for record_id in dict.fromkeys(chain(ids, answers, sorted(touched))):
        before = index.records.get(record_id, NOTHING)
        present = {(answer.external_id, answer.annotator): answer for answer in before.answers}
        for key, answer in answers.get(record_id, {}).items():
            was = present.get(key)
            more[answer.annotator] += is_given(answer) - (was is not None and is_given(was))
            present[key] = answer
        external_ids = tuple(dict.fromkeys((*before.external_ids, *ids.get(record_id, ()))))
        entries[record_id] = _entry(record_id, tuple(present.values()), external_ids, state)
    after = _counted(index, entries, more)
    for rule, open_ids in index.waiting.copy().items():
        left = open_ids.difference(*(entry.external_ids for entry in entries.values()))
        fresh = (_open_ids(id_, entry, state, rule) for id_, entry in entries.items())
        after.waiting[rule] = left.union(*fresh)
    return after


def _counted(
    index: AnswerIndex, entries: Mapping[PoolId, RecordAnswers], more: Mapping[str, int]
) -> AnswerIndex:
    """The index with these entries, and with so many more answers of each annotator."""
    before = [index.records[id_] for id_ in entries if id_ in index.records]
    now = list(entries.values())
    repeated = {id_ for id_, entry in entries.items() if entry.repeats}
    keys = {
        (answer.external_id, answer.annotator): answer.status is AnswerStatus.INVALID
        for entry in now
        for answer in entry.answers
        if not answer.imported
    }
    invalid = {key for key, is_invalid in keys.items() if is_invalid}
    return AnswerIndex(
        index.records.updated(entries.items()),
        index.people.updated((who, index.people.get(who, 0) + some) for who, some in more.items()),
        index.labelled + sum(one.labelled for one in now) - sum(one.labelled for one in before),
        index.discarded + sum(one.discarded for one in now) - sum(one.discarded for one in before),
        index.unplanned + sum(one.unplanned for one in now) - sum(one.unplanned for one in before),
        _changed(index.repeated, repeated, entries.keys() - repeated),
        _changed(index.invalid, invalid, keys.keys() - invalid),
    )


def _changed(
    before: frozenset[Item], come: AbstractSet[Item], gone: AbstractSet[Item]
) -> frozenset[Item]:
    """The set with these and without those; itself where nothing changes."""
    if come <= before and before.isdisjoint(gone):
        return before
    return before.union(come).difference(gone)


_INDEX: Kind[State, AnswerIndex] = Kind(_build, _advance)
