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

    They have a vote, are with nobody at the moment, were not asked about too often, and somebody is
    there who can answer: a person of this run who has not answered the record yet. Where nobody of
    this run has, because its answers came with the pool, whoever comes first can.

    Args:
        state: what the journal says.
        min_submitted: answers that a new text needs.
        relabel: how often and by whom.
    """
    another = relabel.another_person
    votes = ballots(state, another_person=another)
    originals = state.originals
    waiting = {originals[id_] for id_ in unresolved(state, min_submitted, another_person=another)}
    asked, seen = _asked(state), reactions(state)
    active = frozenset().union(*seen.values())
    return frozenset(
        record_id
        for record_id, given in votes.items()
        if record_id not in waiting
        and max(len(given), asked[record_id]) < relabel.max_annotations
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
    found = {}
    for record_id in record_ids:
        number = 2
        while f"{record_id}#{number}" in used or f"{record_id}#{number}" in taken:
            number += 1
        found[record_id] = f"{record_id}#{number}"
    return found


def _asked(state: State) -> Counter[str]:
    """How often each record was asked about: answers on itself, and its copies."""
    originals = state.originals
    asked = Counter(record_id for id_, record_id in originals.items() if id_ != record_id)
    asked.update(
        answer.record_id
        for answer in state.answers.values()
        if originals.get(answer.record_id, answer.record_id) == answer.record_id
        and answer.status is AnswerStatus.SUBMITTED
    )
    return asked
