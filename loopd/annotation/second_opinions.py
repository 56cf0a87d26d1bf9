"""Owns which records may be asked about again, and the ids of the copies that ask; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container
from itertools import count

from loopd.annotation.consensus.votes import ballots, reactions, unresolved
from loopd.config import RelabelSection
from loopd.machine import State
from loopd.records import AnswerStatus, ExternalId, PoolId, text_of


def askable(state: State, min_submitted: int, relabel: RelabelSection) -> frozenset[PoolId]:
    """Pool ids of records of which a second opinion may be asked.

    They have a vote, are with nobody at the moment, and somebody is there who can answer: a person
    of this run who has not answered the record yet. Where nobody of this run has, because its
    answers came with the pool, whoever comes first can. And one more copy brings no text more
    answers than it may have: Argilla keeps a copy open for as many as a new text needs.

    Args:
        state: what the journal says.
        min_submitted: answers that a new text needs.
        relabel: how often and by whom.
    """
    another = relabel.another_person
    votes = ballots(state, another_person=another)
    originals = state.originals
    waiting = {originals[id_] for id_ in unresolved(state, min_submitted, another_person=another)}
    brought, seen = _brought(state, min_submitted), reactions(state)
    active = frozenset().union(*seen.values()) - state.departed
    return frozenset(
        record_id
        for record_id, cast in votes.items()
        if record_id not in waiting
        and max(len(cast), brought[record_id]) + min_submitted <= relabel.max_annotations
        and (not another or not seen[record_id] or active - seen[record_id])
    )


def copy_ids(
    state: State, record_ids: Collection[PoolId], taken: Container[object]
) -> dict[PoolId, ExternalId]:
    """The external id of the next copy of each of these records, such as ``r5#2``.

    Args:
        state: what the journal says.
        record_ids: pool ids.
        taken: ids that belong to other records, such as the pool.
    """
    used = state.external_ids
    copies: dict[PoolId, ExternalId] = {}
    for record_id in record_ids:
        names = (ExternalId(f"{record_id}#{number}") for number in count(2))
        copies[record_id] = next(id_ for id_ in names if id_ not in used and id_ not in taken)
    return copies


def _brought(state: State, min_submitted: int) -> Counter[PoolId]:
    """How many answers each record has or may still get: on itself, and on its copies.

    Each of them is open in Argilla until so many have submitted an answer to it.
    """
    answers_by_id = Counter(
        answer.external_id
        for answer in state.answers.values()
        if answer.status is AnswerStatus.SUBMITTED
    )
    originals = state.originals
    brought: Counter[PoolId] = Counter()
    for external_id, record_id in originals.items():
        brought[record_id] += max(answers_by_id[external_id], min_submitted)
    # Answers that came with the pool: their records are asked about by copies alone.
    brought.update({text_of(id_): n for id_, n in answers_by_id.items() if id_ not in originals})
    return brought
