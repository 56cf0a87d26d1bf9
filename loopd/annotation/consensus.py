"""Owns how the answers of several annotators become one target; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from loopd.machine import State
from loopd.records import Answer, AnswerStatus, Targets


def targets(state: State) -> dict[str, str]:
    """Majority label of each record that is published, present and has a submitted answer.

    A tie goes to the label whose first answer is the oldest, then to the alphabet, so that the
    result never depends on the order of arrival.
    """
    votes = submitted(state)
    return {record_id: _majority(votes[record_id]) for record_id in sorted(votes)}


def submitted(state: State) -> Mapping[str, list[Answer]]:
    """Submitted answers by record, without records that were deleted."""
    votes: dict[str, list[Answer]] = defaultdict(list)
    for answer in state.answers.values():
        if answer.status is AnswerStatus.SUBMITTED and answer.record_id not in state.deleted:
            votes[answer.record_id].append(answer)
    return votes


def discarded(state: State) -> frozenset[str]:
    """Records that people discarded (or answered with something unknown) and nobody labelled."""
    refused = {
        answer.record_id
        for answer in state.answers.values()
        if answer.status in (AnswerStatus.DISCARDED, AnswerStatus.INVALID)
    }
    return frozenset(refused - set(submitted(state)) - state.deleted)


def unresolved(state: State, min_submitted: int) -> frozenset[str]:
    """Published records that still wait for somebody.

    A record is resolved when as many people as asked for have submitted, discarded or answered
    with something unknown, or when it is gone: a discard must never block a batch.
    """
    done = Counter(
        answer.record_id
        for answer in state.answers.values()
        if answer.status is not AnswerStatus.WITHDRAWN
    )
    return frozenset(
        record_id
        for record_id in state.planned_ids - state.deleted
        if done[record_id] < min_submitted
    )


def label_counts(labels: Targets) -> dict[str, int]:
    """How often each label occurs, by name."""
    return dict(sorted(Counter(labels.values()).items()))


def _majority(answers: Iterable[Answer]) -> str:
    by_label: dict[str, list[str]] = defaultdict(list)
    for answer in answers:
        by_label[str(answer.value)].append(answer.time)
    return min(by_label, key=lambda label: (-len(by_label[label]), min(by_label[label]), label))
