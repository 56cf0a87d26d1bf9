"""Owns which records may be asked about again, and the ids of the copies that ask; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container

from loopd.annotation.consensus.votes import ballots, reactions, unresolved
from loopd.config import RelabelSection
from loopd.machine import State
from loopd.records import AnswerStatus


def askable(state: State, min_submitted: int, relabel: RelabelSection) -> frozenset[str]:
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


def copy_ids(state: State, record_ids: Collection[str], taken: Container[str]) -> dict[str, str]:
    """The external id of the next copy of each of these records, such as ``r5#2``.

    Args:
        state: what the journal says.
        record_ids: pool ids.
        taken: ids that belong to other records, such as the pool.
    """
    used = state.external_ids
    copies = {}
    for record_id in record_ids:
        number = 2
        while f"{record_id}#{number}" in used or f"{record_id}#{number}" in taken:
            number += 1
        copies[record_id] = f"{record_id}#{number}"
    return copies


def _brought(state: State, min_submitted: int) -> Counter[str]:
    """How many answers each record has or may still get: on itself, and on its copies.

    Each of them is open in Argilla until so many have submitted an answer to it.
    """
    answers_by_id = Counter(
        answer.record_id
        for answer in state.answers.values()
        if answer.status is AnswerStatus.SUBMITTED
    )
    originals = state.originals
    brought: Counter[str] = Counter()
    for external_id, record_id in originals.items():
        brought[record_id] += max(answers_by_id[external_id], min_submitted)
    # Answers that came with the pool: their records are asked about by copies alone.
    brought.update({id_: count for id_, count in answers_by_id.items() if id_ not in originals})
    return brought
