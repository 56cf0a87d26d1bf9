"""Owns parts of the fold that need no state: events joined, and what a withdrawal takes; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby
from typing import TypeVar

from loopd.errors import JournalError
from loopd.events import AnswersCollected, Event, RoundEvaluated
from loopd.growing_map import growing
from loopd.records import Answer, ExternalId, PoolId, Targets, published_as

Item = TypeVar("Item")

Answers = Mapping[tuple[ExternalId, str], Answer]
"""By external id and annotator."""


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same facts in fewer events: answers that came one after the other come at once."""
    for only_answers, some in groupby(events, _is_only_answers):
        if only_answers:
            facts = [event for event in some if isinstance(event, AnswersCollected)]
            answers = tuple(chain.from_iterable(fact.answers for fact in facts))
            yield AnswersCollected(max(fact.at for fact in facts), answers)
        else:
            yield from some


def _is_only_answers(event: Event) -> bool:
    return isinstance(event, AnswersCollected) and event == AnswersCollected(
        event.at, event.answers
    )


def records_of(
    ids: Collection[PoolId], originals: Mapping[ExternalId, PoolId]
) -> frozenset[ExternalId]:
    """External ids of texts and of all their copies."""
    copies = (id_ for id_, original in originals.items() if original in ids)
    return frozenset(chain(map(published_as, ids), copies))


def without(answers: Answers, external_ids: Collection[ExternalId]) -> Answers:
    """The answers but for those on some records; themselves where there are none."""
    if not any(key[0] in external_ids for key in answers):
        return answers
    return {key: answer for key, answer in answers.items() if key[0] not in external_ids}


def allowed(
    event: AnswersCollected, is_withdrawn: Callable[[ExternalId], bool]
) -> AnswersCollected:
    """The event without what it says of records whose texts are withdrawn."""
    return replace(
        event,
        answers=tuple(one for one in event.answers if not is_withdrawn(one.external_id)),
        deleted=tuple(id_ for id_ in event.deleted if not is_withdrawn(id_)),
        restored=tuple(id_ for id_ in event.restored if not is_withdrawn(id_)),
    )


def changed(
    before: frozenset[Item], come: Collection[Item], gone: Collection[Item]
) -> frozenset[Item]:
    """The set with these and without those; itself where there are none."""
    return before.union(come).difference(gone) if come or gone else before


def predictions(event: RoundEvaluated, predicted: Mapping[int, Targets]) -> Targets:
    """All that the model of a round says of random draws.

    Args:
        event: says what is other than it was in an earlier round.
        predicted: of the earlier rounds.

    Raises:
        JournalError: that round is none of them.
    """
    before: Targets = {}
    if event.predicted_since is not None:
        if event.predicted_since not in predicted:
            raise JournalError(f"the journal holds no round {event.predicted_since}")
        before = predicted[event.predicted_since]
    return growing(before).updated(event.predicted.items())
