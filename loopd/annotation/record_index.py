"""Owns which records of a dataset stand for which texts of the pool; must not send anything.

A record that loopd makes bears an external id of loopd's. A record that others have made stands for
a pool text where it bears its id, or else where it shows the same text: then loopd works on that
record, and no text is published twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loopd.annotation import queue_mark, record_schema
from loopd.annotation.record_fields import RecordLayout
from loopd.annotation.record_schema import MetadataNames
from loopd.data.pool import Pool
from loopd.records import ExternalId, PoolId, published_as, text_of
from loopd.tasks.task import Task

Json = dict[str, Any]

COPY_ID = re.compile(r"(.+)#\d+", re.DOTALL)
"""External id of a copy that asks for a second opinion, such as ``r5#2``."""


@dataclass(slots=True)
class RecordIndex:
    """What the last listing of a dataset has shown.

    Attributes:
        task: says which field holds the text.
        pool: the texts.
        names: of loopd's metadata.
        layout: in which fields a text is; ``None`` for the task's alone.
        record_ids: Argilla's id by external id, of records of the run or of a pool text.
        namesakes: the same of records that bear an id of loopd's and are something else.
        positions: of all records in the order in which Argilla lists them, by Argilla's id.
        marked_ids: Argilla's ids of records that bear the mark of the queue.
        completed_ids: those of records that Argilla shows to nobody any more.
        moved: by how much a record has moved to the front since, as others before it were deleted.
    """

    task: Task
    pool: Pool
    names: MetadataNames = field(default_factory=MetadataNames)
    record_ids: dict[ExternalId, str] = field(default_factory=dict)
    namesakes: dict[ExternalId, str] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    marked_ids: set[str] = field(default_factory=set)
    completed_ids: set[str] = field(default_factory=set)
    moved: int = 0
    layout: RecordLayout | None = None

    def name(self, record: Json) -> ExternalId | None:
        """The external id by which loopd knows a record, ``None`` where it has no use for it."""
        external_id: ExternalId | None = record.get("external_id")
        if external_id is not None and self._is_by_its_id(external_id, record):
            return external_id
        name = self._by_text(self._text(record))
        if name is not None:
            return published_as(name)
        return external_id if self.is_ours(record) else None

    def record_id(self, name: ExternalId) -> str | None:
        """Argilla's id of the record that a batch works on under this external id.

        One that is something else, and would be in the way, where there is no other.
        """
        return self.record_ids.get(name) or self.namesakes.get(name)

    def is_namesake(self, external_id: ExternalId, record: Json) -> bool:
        """Whether another record stands for this external id."""
        record_id = str(record["id"])
        return self.record_ids.get(external_id, record_id) != record_id

    def is_ours(self, record: Json) -> bool:
        """Whether loopd has published the record, or works on it."""
        return self.names.are_published(record.get("metadata") or {})

    def grow(self, pool: Pool) -> None:
        """Know more texts; records that show them are told by the next listing."""
        self.pool = pool

    @property
    def total(self) -> int:
        """Records of the dataset."""
        return len(self.positions)

    def replace(self, records: Iterable[Json]) -> None:
        """Take over a whole listing."""
        self.record_ids, self.positions, self.namesakes = {}, {}, {}
        self.marked_ids, self.completed_ids, self.moved = set(), set(), 0
        for record in records:
            self.add(record)

    def add(self, record: Json) -> None:
        """Take over one record: of several of a text, the one with the text's own id stands for it.

        Else the one that loopd works on, else the first.
        """
        name, record_id = self.name(record), str(record["id"])
        self.positions.setdefault(record_id, len(self.positions))
        if queue_mark.is_on(record):
            self.marked_ids.add(record_id)
        if record.get("status") == "completed":
            self.completed_ids.add(record_id)
        external_id = record.get("external_id")
        if external_id is not None and external_id != name and self._is_own_id(external_id):
            self.namesakes[external_id] = record_id
        if name is None:
            return
        if external_id == name or self.is_ours(record):
            self.record_ids[name] = record_id
        self.record_ids.setdefault(name, record_id)

    def update(self, records: Iterable[Json]) -> None:
        """Take over what some records are now; the others stay as they were."""
        for record in records:
            self.marked_ids.discard(str(record["id"]))
            self.completed_ids.discard(str(record["id"]))
            if str(record["id"]) in self.positions:  # else where it is listed is not known
                self.add(record)

    def _is_by_its_id(self, external_id: ExternalId, record: Json) -> bool:
        """Whether its id says what it is: that of a text it shows, or any of loopd's own."""
        if self.is_ours(record):
            return self._is_own_id(external_id)
        field_value = self._text(record)
        pool = self.pool
        return external_id in pool and record_schema.shows_text(
            self.task, field_value, pool[text_of(external_id)].text
        )

    def _text(self, record: Json) -> str | None:
        """What a record shows as its text."""
        layout = self.layout or RecordLayout((self.task.field_name,))
        return layout.text_in(record["fields"])

    def _is_own_id(self, external_id: ExternalId) -> bool:
        """Whether it is that of a text or a copy."""
        copy = COPY_ID.fullmatch(external_id)
        return external_id in self.pool or (copy is not None and copy[1] in self.pool)

    def _by_text(self, field_value: object) -> PoolId | None:
        if not isinstance(field_value, str):
            return None
        known = self.pool.ids_by_text  # only datasets with records of others need it
        texts = record_schema.readings(self.task, field_value)
        return next((known[text] for text in texts if text in known), None)


def keys_of(records: Iterable[Json]) -> Counter[str]:
    """How many records have a value for each name of metadata."""
    return Counter(key for record in records for key in record.get("metadata") or ())
