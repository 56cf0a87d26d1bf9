"""Owns an annotation store in memory: the twin of the Argilla store for simulation and tests.

Must behave as the real one does; both pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loopd.annotation import schema
from loopd.annotation.store import Progress, Published, PublishedItem, Sweep
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.records import Answer, AnswerStatus, Batch, JsonValue, Suggestion
from loopd.tasks.task import Task

FIRST_TICK = datetime(2000, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
"""Where the store's own clock begins: it moves with each answer."""


@dataclass(slots=True)
class _Stored:
    text: str
    time: str
    metadata: Mapping[str, JsonValue]
    suggestion: Suggestion | None
    answers: dict[str, Answer] = field(default_factory=dict)


class MemoryStore:
    """An :class:`~loopd.annotation.store.AnnotationStore` without a server.

    Args:
        task: decides which values are valid.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._records: dict[str, _Stored] | None = None
        self._ticks = 0
        self._activity = 0

    # -- what the loop asks --------------------------------------------------------------------

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """See :meth:`AnnotationStore.open`."""
        if self._records is None and not fresh:
            raise DatasetError("the dataset is gone")
        for record_id, stored in (self._records or {}).items():
            if record_id in pool and pool[record_id].text != stored.text:
                raise DatasetError(f"the dataset has another text under the id `{record_id}`")
        if self._records and fresh:
            raise DatasetError(
                "the dataset already holds batches of another run", "or recover: `loopd recover`"
            )
        self._records = self._records or {}
        return "memory"

    def publish(self, batch: Batch, texts: Mapping[str, str]) -> None:
        """Upsert by external id: answers that are there stay."""
        records = self._dataset()
        for place, item in enumerate(batch.items):
            before = records.get(item.external_id)
            records[item.external_id] = _Stored(
                texts[item.record_id],
                self._moment() if before is None else before.time,
                schema.metadata(batch, place),
                item.suggestion,
                {} if before is None else before.answers,
            )

    def published(self, progress: Progress | None = None) -> Published:
        """Everything that was published."""
        del progress
        items = (
            PublishedItem(
                external_id=id_,
                field=schema.field_text(self._task, stored.text),
                metadata=stored.metadata,
                suggestion=self._shown(stored.suggestion),
                answered=bool(stored.answers),
                time=stored.time,
            )
            for id_, stored in self._dataset().items()
        )
        return Published("memory", tuple(items))

    def refresh(self, batches: Sequence[Batch], texts: Mapping[str, str]) -> None:
        """Take over metadata and suggestions of records without an answer."""
        del texts
        records = self._dataset()
        for batch in batches:
            for place, item in enumerate(batch.items):
                stored = records.get(item.external_id)
                if stored is not None and not stored.answers:
                    stored.metadata = schema.metadata(batch, place)
                    stored.suggestion = item.suggestion

    def shows(self, batch: Batch) -> bool:
        """Whether any of its records is there."""
        return any(id_ in self._dataset() for id_ in batch.external_ids)

    def activity(self) -> str:
        """Moves with every answer."""
        self._dataset()
        return str(self._activity)

    def sweep(self, external_ids: Collection[str]) -> Sweep:
        """The present answers on these records."""
        records = self._dataset()
        wanted = set(external_ids)
        answers = tuple(
            answer
            for record_id, stored in records.items()
            if record_id in wanted
            for answer in stored.answers.values()
        )
        missing = tuple(sorted(wanted - set(records)))
        return Sweep(answers=answers, missing=missing, listed=len(records))

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Turn submitted answers into discards."""
        records = self._dataset()
        for answer in answers:
            stored = records.get(answer.record_id)
            present = stored and stored.answers.get(answer.annotator)
            if present and present.status in (AnswerStatus.SUBMITTED, AnswerStatus.INVALID):
                self._put(answer.record_id, answer.annotator, AnswerStatus.DISCARDED, None)

    def describe(self) -> str:
        """There is no address."""
        return "memory"

    def close(self) -> None:
        """Nothing to release."""

    # -- what people do ------------------------------------------------------------------------

    @property
    def ids(self) -> Mapping[str, str]:
        """Identifier by name of each person who answered; here they are the same."""
        records = self._dataset().values()
        return {name: name for stored in records for name in stored.answers}

    def open_records(self, annotator: str) -> tuple[str, ...]:
        """Records without an answer of this person, in the order of publication."""
        return tuple(
            record_id
            for record_id, stored in self._dataset().items()
            if annotator not in stored.answers
        )

    def holds(self, record_id: str) -> bool:
        """Whether it was published."""
        return record_id in self._dataset()

    def suggestion(self, record_id: str) -> Suggestion | None:
        """What the annotator is proposed."""
        return self._dataset()[record_id].suggestion

    def text(self, record_id: str) -> str:
        """What the annotator reads."""
        return self._dataset()[record_id].text

    def submit(self, record_id: str, annotator: str, value: JsonValue) -> None:
        """Submit or edit an answer."""
        valid = self._task.is_valid(value)
        status = AnswerStatus.SUBMITTED if valid else AnswerStatus.INVALID
        self._put(record_id, annotator, status, value)

    def discard(self, record_id: str, annotator: str) -> None:
        """Discard the record."""
        self._put(record_id, annotator, AnswerStatus.DISCARDED, None)

    def withdraw(self, record_id: str, annotator: str) -> None:
        """Delete the answer, or make it a draft again."""
        del self._dataset()[record_id].answers[annotator]
        self._activity += 1

    def delete(self, record_id: str) -> None:
        """Delete the record; the trigger does not move, as on the real server."""
        del self._dataset()[record_id]

    def drop(self) -> None:
        """Delete the dataset."""
        self._records = None

    def _dataset(self) -> dict[str, _Stored]:
        if self._records is None:
            raise DatasetError("the dataset is gone")
        return self._records

    def _shown(self, proposal: Suggestion | None) -> Suggestion | None:
        """The proposal, if it is one that the page can show."""
        visible = proposal is not None and self._task.suggestion(proposal) is not None
        return proposal if visible else None

    def _put(self, record_id: str, annotator: str, status: AnswerStatus, value: JsonValue) -> None:
        self._activity += 1
        answers = self._dataset()[record_id].answers
        known = answers.get(annotator)
        now = self._tick()
        time = now if known is None else known.time
        answers[annotator] = Answer(record_id, annotator, status, value, time, changed=now)

    def _tick(self) -> str:
        """The time of a new or edited answer, a second after the last."""
        self._ticks += 1
        return self._moment()

    def _moment(self) -> str:
        moment = FIRST_TICK + timedelta(seconds=self._ticks)
        return moment.isoformat(timespec="microseconds")
