"""Owns an annotation store in memory: the twin of the Argilla store for simulation and tests.

Must behave as the real one does; both pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from loopd.annotation import maker_mark, record_schema, run_mark
from loopd.annotation.escaping import original
from loopd.annotation.record_index import RecordIndex
from loopd.annotation.record_schema import MetadataNames
from loopd.annotation.store import (
    DatasetSettings,
    Progress,
    Published,
    PublishedItem,
    Sweep,
    VisibleAccounts,
)
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    ExternalId,
    JsonValue,
    PoolId,
    Suggestion,
    text_of,
)
from loopd.tasks.task import Task

FIRST_TICK = datetime(2000, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
"""Where the store's own clock begins: it moves with each answer."""

RUN_ID = "memory"
"""The run that holds the dataset."""

NAMES = MetadataNames()


@dataclass(slots=True)
class _Stored:
    field_value: str
    time: str
    metadata: dict[str, JsonValue]
    suggestion: Suggestion | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    is_lost: bool = False
    """Whether the search does not find it."""
    completed: bool = False


class MemoryStore:
    """An :class:`~loopd.annotation.store.AnnotationStore` without a server.

    Args:
        task: decides which values are valid.
        min_submitted: answers that complete a record, which is then shown to nobody; ``None``:
            none ever is.
    """

    def __init__(self, task: Task, min_submitted: int | None = None) -> None:
        self._task = task
        self._min_submitted = min_submitted
        self._people: set[str] = set()
        self._index = RecordIndex(task, Pool(()), NAMES)
        self._records: dict[ExternalId, _Stored] | None = None
        self._ticks = 0
        self._activity = 0
        self.changed_settings: DatasetSettings | None = None
        """Settings as somebody has changed them."""

    # -- what the loop asks --------------------------------------------------------------------

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """See :meth:`AnnotationStore.open`."""
        if self._records is None and not fresh:
            raise DatasetError("the dataset is gone")
        records = self._records or {}
        for id_, stored in records.items():
            text = pool[text_of(id_)].text if id_ in pool else ""  # of what is withdrawn, too
            if text and not record_schema.shows_text(self._task, stored.field_value, text):
                raise DatasetError(f"the dataset has another text under the id `{id_}`")
        if fresh and any(
            record_schema.is_batch(NAMES.ours(one.metadata)) for one in records.values()
        ):
            raise DatasetError(
                "the dataset already holds batches of another run", "or recover: `loopd recover`"
            )
        self._index = RecordIndex(self._task, pool, NAMES)
        self._records = records
        return "memory"

    def grow(self, pool: Pool) -> None:
        """See :meth:`AnnotationStore.grow`."""
        self._index.grow(pool)

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Create the batch's items, or merge them into records that are there."""
        records, keys = self._dataset(), self._keys()
        for position, item in enumerate(batch.items):
            key = keys.get(item.external_id, item.external_id)
            shown = record_schema.field_text(self._task, texts[item.record_id])
            is_new = key not in records
            stored = records.setdefault(key, _Stored(shown, self._moment(), {}))
            self._merge(stored, batch, position, is_new=is_new)
            self._index_anew(stored)
        return frozenset()

    def published(self, pool: Pool, progress: Progress | None = None) -> Published:
        """Everything in the dataset."""
        del progress
        index = RecordIndex(self._task, pool, NAMES)
        items = (
            PublishedItem(
                external_id=index.name(self._as_json(id_, stored)),
                field=stored.field_value,
                metadata=NAMES.ours(stored.metadata),
                suggestion=self._shown(stored.suggestion),
                answered=bool(stored.answers),
                time=stored.time,
            )
            for id_, stored in self._dataset().items()
        )
        return Published("memory", tuple(items), RUN_ID)

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        """Take over metadata and suggestions of records without an answer."""
        del texts
        records, keys = self._dataset(), self._keys()
        for batch in batches:
            for position, item in enumerate(batch.items):
                stored = records.get(keys.get(item.external_id, item.external_id))
                if stored is not None and not stored.answers:
                    self._merge(stored, batch, position)
                    self._index_anew(stored)

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        """Nothing: there is no page."""
        del external_ids

    def visible(
        self, batches: Sequence[Batch], *, open_only: bool = False
    ) -> frozenset[ExternalId]:
        """What is there, not lost to the search, and open if that is asked for."""
        records, keys = self._dataset(), self._keys()
        ids = (id_ for batch in batches for id_ in batch.external_ids if id_ in keys)
        return frozenset(
            id_
            for id_ in ids
            if not records[keys[id_]].is_lost and not (open_only and records[keys[id_]].completed)
        )

    def reopen(self, batches: Sequence[Batch]) -> frozenset[ExternalId]:
        """Count answers again and let the search find the records."""
        records, keys = self._dataset(), self._keys()
        ids = [id_ for batch in batches for id_ in batch.external_ids if id_ in keys]
        for id_ in ids:
            self._index_anew(records[keys[id_]])
        return frozenset(id_ for id_ in ids if not records[keys[id_]].completed)

    def accounts(self) -> VisibleAccounts | None:
        """All who have ever answered and were not dismissed."""
        return VisibleAccounts({name: name for name in sorted(self._people)}, complete=True)

    def activity(self) -> str:
        """Moves with every answer."""
        self._dataset()
        return str(self._activity)

    def sweep(self, external_ids: Collection[ExternalId]) -> Sweep:
        """The present answers on these records, and on others of pool texts."""
        records, wanted, present = self._dataset(), set(external_ids), set()
        latest: dict[tuple[ExternalId, str], Answer] = {}
        for id_, stored in records.items():
            name = id_ if id_ in wanted else self._index.name(self._as_json(id_, stored))
            present.add(name)
            if name is None or (name not in wanted and name not in self._index.pool):
                continue
            for answer in stored.answers.values():
                renamed = replace(answer, external_id=name)
                key = (name, answer.annotator)
                latest[key] = max(latest.get(key, renamed), renamed, key=lambda one: one.changed)
        missing = tuple(sorted(wanted - present))
        completed = frozenset(id_ for id_ in wanted & records.keys() if records[id_].completed)
        return Sweep(tuple(latest.values()), missing, listed=len(records), completed=completed)

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        """The present answers on records of the batches that are not lost to the search."""
        visible = self.visible(batches)
        sweep = self.sweep(visible)
        return replace(
            sweep,
            answers=tuple(answer for answer in sweep.answers if answer.external_id in visible),
            missing=(),
            listed=len(visible),
            is_partial=True,
        )

    def settings(self) -> DatasetSettings | None:
        """What a test has put in."""
        return self.changed_settings

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Turn submitted answers into discards."""
        records = self._dataset()
        for answer in answers:
            stored = records.get(answer.external_id)
            present = stored and stored.answers.get(answer.annotator)
            if present and present.status in (AnswerStatus.SUBMITTED, AnswerStatus.INVALID):
                self._put(answer.external_id, answer.annotator, AnswerStatus.DISCARDED, None)

    def remove(
        self, external_ids: Collection[ExternalId], is_withdrawn: Callable[[str], bool]
    ) -> frozenset[str]:
        """Delete the run's own records; of those of others loopd's metadata and proposals go."""
        records, others = self._dataset(), set()
        found = {
            id_: stored
            for id_, stored in records.items()
            if id_ in external_ids
            or any(map(is_withdrawn, record_schema.readings(self._task, stored.field_value)))
        }
        rest = (stored for id_, stored in records.items() if id_ not in found)
        is_own = all(run_mark.PROPERTY in stored.metadata for stored in rest)
        for id_, stored in found.items():
            metadata, is_ours = stored.metadata, run_mark.PROPERTY in stored.metadata
            alone = not maker_mark.is_on(metadata) and not NAMES.theirs(metadata)
            if is_own and is_ours and alone and id_ in external_ids:
                del records[id_]
                continue
            others.add(str(id_))
            if is_ours:
                stored.metadata, stored.suggestion = NAMES.theirs(stored.metadata), None
        return frozenset(others)

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

    def open_records(self, annotator: str) -> tuple[ExternalId, ...]:
        """What a person is shown without an answer of theirs, in the order of publication."""
        return tuple(
            record_id
            for record_id, stored in self._dataset().items()
            if annotator not in stored.answers and not (stored.is_lost or stored.completed)
        )

    def holds(self, record_id: ExternalId) -> bool:
        """Whether it was published."""
        return record_id in self._dataset()

    def suggestion(self, record_id: ExternalId) -> Suggestion | None:
        """What the annotator is proposed."""
        return self._dataset()[record_id].suggestion

    def text(self, record_id: ExternalId) -> str:
        """What the annotator reads."""
        return original(self._dataset()[record_id].field_value)

    def metadata(self, record_id: ExternalId) -> Mapping[str, JsonValue]:
        """All metadata of a record, whoever wrote them."""
        return self._dataset()[record_id].metadata

    def log(self, record_id: ExternalId, field_value: str, **metadata: JsonValue) -> None:
        """Put in a record that is none of loopd's."""
        self._records = self._records or {}
        self._records[record_id] = _Stored(field_value, self._moment(), dict(metadata))

    def annotate(self, record_id: ExternalId, **metadata: JsonValue) -> None:
        """Add metadata to a record."""
        self._dataset()[record_id].metadata |= metadata

    def submit(self, record_id: ExternalId, annotator: str, value: JsonValue) -> None:
        """Submit or edit an answer."""
        valid = self._task.is_valid(value)
        status = AnswerStatus.SUBMITTED if valid else AnswerStatus.INVALID
        self._put(record_id, annotator, status, value)

    def discard(self, record_id: ExternalId, annotator: str) -> None:
        """Discard the record."""
        self._put(record_id, annotator, AnswerStatus.DISCARDED, None)

    def withdraw(self, record_id: ExternalId, annotator: str) -> None:
        """Delete the answer, or make it a draft again."""
        stored = self._dataset()[record_id]
        del stored.answers[annotator]
        self._count(stored)
        self._activity += 1

    def dismiss(self, annotator: str) -> None:
        """Delete the account and with it its answers; their records stay as completed as they were.

        The trigger does not move, as on the real server.
        """
        self._people.discard(annotator)
        for stored in self._dataset().values():
            stored.answers.pop(annotator, None)

    def lose(self, record_ids: Collection[ExternalId]) -> None:
        """Lose the search's documents of these records; the records themselves stay."""
        for record_id in record_ids:
            self._dataset()[record_id].is_lost = True

    def delete(self, record_id: ExternalId) -> None:
        """Delete the record; the trigger does not move, as on the real server."""
        del self._dataset()[record_id]

    def drop(self) -> None:
        """Delete the dataset."""
        self._records = None

    def _dataset(self) -> dict[ExternalId, _Stored]:
        if self._records is None:
            raise DatasetError("the dataset is gone")
        return self._records

    def _keys(self) -> dict[ExternalId, ExternalId]:
        """Under which id each record lies, by the external id by which loopd knows it."""
        records = self._dataset()
        self._index.replace(self._as_json(*each) for each in records.items())
        keys = {name: ExternalId(id_) for name, id_ in self._index.record_ids.items()}
        return keys | {id_: id_ for id_ in records}

    def _as_json(self, id_: ExternalId, stored: _Stored) -> dict[str, Any]:
        """A record as Argilla would list it."""
        fields = {self._task.field_name: stored.field_value}
        return {"id": id_, "external_id": id_, "fields": fields, "metadata": stored.metadata}

    @staticmethod
    def _merge(stored: _Stored, batch: Batch, position: int, *, is_new: bool = False) -> None:
        is_ours = is_new or run_mark.PROPERTY in stored.metadata
        ours = {
            **record_schema.metadata(batch, position),
            **maker_mark.of_present(stored.metadata, is_ours=is_ours),
            run_mark.PROPERTY: RUN_ID,
        }
        stored.metadata = {**NAMES.theirs(stored.metadata), **ours}
        stored.suggestion = batch.items[position].suggestion

    def _shown(self, proposal: Suggestion | None) -> Suggestion | None:
        """The proposal, if it is one that the page can show."""
        visible = proposal is not None and self._task.suggestion(proposal) is not None
        return proposal if visible else None

    def _put(
        self, record_id: ExternalId, annotator: str, status: AnswerStatus, value: JsonValue
    ) -> None:
        self._activity += 1
        answers = self._dataset()[record_id].answers
        known = answers.get(annotator)
        now = self._tick()
        time = now if known is None else known.time
        answers[annotator] = Answer(record_id, annotator, status, value, time, changed=now)
        self._people.add(annotator)
        self._count(self._dataset()[record_id])

    def _index_anew(self, stored: _Stored) -> None:
        stored.is_lost = False
        self._count(stored)

    def _count(self, stored: _Stored) -> None:
        """Complete the record or open it again, by its submitted answers."""
        counted = (AnswerStatus.SUBMITTED, AnswerStatus.INVALID)
        submitted = sum(answer.status in counted for answer in stored.answers.values())
        stored.completed = self._min_submitted is not None and submitted >= self._min_submitted

    def _tick(self) -> str:
        """The time of a new or edited answer, a second after the last."""
        self._ticks += 1
        return self._moment()

    def _moment(self) -> str:
        moment = FIRST_TICK + timedelta(seconds=self._ticks)
        return moment.isoformat(timespec="microseconds")
