"""Owns the difference between what the journal knows and what Argilla shows; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from loopd.annotation.store import Sweep
from loopd.errors import DatasetError
from loopd.events import AnswersCollected
from loopd.loop.answer_times import changed_at
from loopd.machine import State
from loopd.records import Answer, AnswerStatus


def changes(
    state: State,
    sweep: Sweep,
    now: float,
    *,
    departed: Collection[str] = (),
    keep_departed: bool = True,
) -> AnswersCollected | None:
    """What people did since the last look, ``None`` when nothing.

    New and edited answers are taken over; an answer that is gone or a draft again is withdrawn;
    a record that is gone is deleted, together with its answers. Answers that came with the pool
    are not Argilla's to withdraw. A partial sweep only adds: nothing is withdrawn, deleted or
    restored by it.

    Args:
        state: what the journal says.
        sweep: what Argilla shows.
        now: wall clock in seconds.
        departed: annotators whose accounts were deleted since.
        keep_departed: whether what they and those before them have answered stays as it is.

    Raises:
        DatasetError: every record is gone, which is an accident and not people's work.
    """
    _refuse_emptied(state, sweep)
    missing = set(sweep.missing)
    returned = {answer.annotator for answer in sweep.answers} & state.departed
    left = (state.departed | set(departed)) - returned
    changed = [
        *_taken_over(state, sweep),
        *(
            _withdrawn(answer)
            for answer in vanished(state, sweep)
            if not (keep_departed and answer.annotator in left)
        ),
    ]
    deleted = tuple(sorted(missing - state.deleted))
    back = () if sweep.is_partial else state.deleted - missing
    restored = tuple(sorted(id_ for id_ in back if not state.is_withdrawn(id_)))
    if not (changed or deleted or restored or left ^ state.departed):
        return None
    return AnswersCollected(
        at=now,
        answers=tuple(sorted(changed, key=lambda answer: (answer.external_id, answer.annotator))),
        deleted=deleted,
        restored=restored,
        departed=tuple(sorted(left - state.departed)),
        returned=tuple(sorted(returned)),
    )


def _taken_over(state: State, sweep: Sweep) -> Iterator[Answer]:
    """New and edited answers."""
    present = {(answer.external_id, answer.annotator): answer for answer in sweep.answers}
    for key, answer in present.items():
        before = state.answers.get(key)
        is_doubtful = sweep.is_partial and _is_doubtful(state, before, answer)
        is_ignored = is_doubtful or state.is_withdrawn(answer.external_id)
        if _differs(before, answer) and not is_ignored:
            yield _dated(before, answer)


def vanished(state: State, sweep: Sweep) -> Iterator[Answer]:
    """Answers that the run has and that are gone from records which are there.

    None in a partial sweep, which does not tell.
    """
    if sweep.is_partial:
        return iter(())
    present = {(answer.external_id, answer.annotator) for answer in sweep.answers}
    missing = set(sweep.missing)
    return (
        answer
        for key, answer in state.answers.items()
        if key not in present
        and answer.external_id not in missing
        and answer.status is not AnswerStatus.WITHDRAWN
        and not answer.imported
    )


def _differs(before: Answer | None, answer: Answer) -> bool:
    """Whether the answer says something new; a touched time alone does not."""
    return before is None or (before.status, before.value) != (answer.status, answer.value)


def _is_doubtful(state: State, before: Answer | None, answer: Answer) -> bool:
    """Whether a partial sweep may have overlooked what is newer than an answer.

    A person may have answered a text on several records, and a record that was deleted may be
    another one now.
    """
    if answer.external_id in state.deleted:
        return True
    return before is not None and changed_at(answer) < changed_at(before)


def _dated(before: Answer | None, answer: Answer) -> Answer:
    """The answer with when it was given: an edit of a known one keeps that."""
    if before is None or before.status is AnswerStatus.WITHDRAWN:
        return replace(answer, given=answer.changed)
    return replace(answer, given=before.given)


def _withdrawn(answer: Answer) -> Answer:
    return replace(answer, status=AnswerStatus.WITHDRAWN, value=None)


def _refuse_emptied(state: State, sweep: Sweep) -> None:
    expected = state.external_ids
    if state.withdrawn:
        expected = frozenset(id_ for id_ in expected if not state.is_withdrawn(id_))
    if len(expected) > 1 and expected <= set(sweep.missing):
        raise DatasetError(
            "the Argilla dataset was emptied: none of the run's records is left",
            "restore it; the journal still holds every answer that was read",
        )
