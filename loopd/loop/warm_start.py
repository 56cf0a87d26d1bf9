"""Owns the answers that came with the pool; pure."""

from __future__ import annotations

from collections.abc import Iterator

from loopd.data.pool import Pool
from loopd.events import AnswersCollected
from loopd.machine import State
from loopd.records import IMPORT_PREFIX, Answer, AnswerStatus, Record, published_as
from loopd.tasks.task import Task

LONG_AGO = "1970-01-01T00:00:00.000000"
"""When they were given, for all that is known: before any answer of the run."""


def imported(state: State, pool: Pool, task: Task, now: float) -> AnswersCollected | None:
    """The answers of the pool that the journal does not hold yet, ``None`` without any."""
    answers = tuple(
        answer
        for record in map(pool.records.__getitem__, pool.answered)
        if record.text  # not withdrawn
        for answer in _answers(record, task)
        if (answer.external_id, answer.annotator) not in state.answers
    )
    return AnswersCollected(at=now, answers=answers) if answers else None


def _answers(record: Record, task: Task) -> Iterator[Answer]:
    for name, value in record.answers:
        valid = task.is_valid(value)
        status = AnswerStatus.SUBMITTED if valid else AnswerStatus.INVALID
        external_id = published_as(record.id)
        yield Answer(external_id, f"{IMPORT_PREFIX}{name}", status, value, LONG_AGO)
