"""Owns the difference between what the journal knows and what Argilla shows; pure."""

from __future__ import annotations

from dataclasses import replace

from loopd.annotation.store import Sweep
from loopd.errors import DatasetError
from loopd.machine import AnswersCollected, State
from loopd.records import Answer, AnswerStatus


def changes(state: State, sweep: Sweep, now: float) -> AnswersCollected | None:
    """What people did since the last look, ``None`` when nothing.

    New and edited answers are taken over; an answer that is gone or a draft again is withdrawn;
    a record that is gone is deleted, together with its answers. Answers that came with the pool
    are not Argilla's to withdraw.

    Raises:
        DatasetError: every record is gone, which is an accident and not people's work.
    """
    _refuse_emptied(state, sweep)
    present = {(answer.record_id, answer.annotator): answer for answer in sweep.answers}
    missing = set(sweep.missing)
    changed = [
        _dated(known, answer)
        for key, answer in present.items()
        if _differs(known := state.answers.get(key), answer)
    ]
    changed += [
        _withdrawn(answer)
        for key, answer in state.answers.items()
        if key not in present
        and answer.record_id not in missing
        and answer.status is not AnswerStatus.WITHDRAWN
        and not answer.imported
    ]
    deleted = tuple(sorted(missing - state.deleted))
    restored = tuple(sorted(state.deleted - missing))
    if not (changed or deleted or restored):
        return None
    ordered = tuple(sorted(changed, key=lambda answer: (answer.record_id, answer.annotator)))
    return AnswersCollected(at=now, answers=ordered, deleted=deleted, restored=restored)


def _differs(known: Answer | None, answer: Answer) -> bool:
    """Whether the answer says something new; a touched time alone does not."""
    return known is None or (known.status, known.value) != (answer.status, answer.value)


def _dated(known: Answer | None, answer: Answer) -> Answer:
    """The answer with when it was given: an edit of a known one keeps that."""
    if known is None or known.status is AnswerStatus.WITHDRAWN:
        return replace(answer, given=answer.changed)
    return replace(answer, given=known.given)


def _withdrawn(answer: Answer) -> Answer:
    return replace(answer, status=AnswerStatus.WITHDRAWN, value=None)


def _refuse_emptied(state: State, sweep: Sweep) -> None:
    if len(state.external_ids) > 1 and state.external_ids <= set(sweep.missing):
        raise DatasetError(
            "the Argilla dataset was emptied: none of the run's records is left",
            "restore it; the journal still holds every answer that was read",
        )
