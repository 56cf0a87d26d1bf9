"""Owns what is sent for the records of a batch, so that nothing of others is replaced; pure.

Argilla's upsert replaces fields and metadata whole, and the one suggestion that a question of a
record can have, whoever made it. So for a record that is there no fields are sent, its metadata are
sent as they are with ours among them, and a suggestion only where the present one is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopd.annotation import maker_mark, queue_mark, record_schema, run_mark
from loopd.annotation.label_spelling import LabelSpelling
from loopd.annotation.record_fields import RecordLayout
from loopd.annotation.record_schema import AGENT, MetadataNames
from loopd.errors import DatasetError
from loopd.records import Batch, ExternalId, Record
from loopd.tasks.task import Task

Json = dict[str, Any]


def spoils_bulks(record: Json) -> bool:
    """Whether Argilla's own search engines fail at whatever is written to a record.

    They cannot index a response whose values are ``null``, which the API takes of a discard.
    """
    return any(response["values"] is None for response in record.get("responses") or ())


@dataclass(frozen=True, slots=True)
class RecordBodies:
    """Makes the bodies of bulk requests for one dataset.

    Attributes:
        task: its question and field.
        question_id: Argilla's id of the question.
        names: of loopd's metadata.
        run_id: of the run, which each of its records bears.
        labels: how the dataset spells them.
        layout: in which fields and metadata people see a text.
        marks_open: whether records bear the mark of the queue.
    """

    task: Task
    question_id: str
    names: MetadataNames
    run_id: str
    labels: LabelSpelling
    layout: RecordLayout
    marks_open: bool = False

    def new(self, batch: Batch, position: int, record: Record, fields: Mapping[str, Any]) -> Json:
        """A record that is not there.

        Args:
            batch: with the record.
            position: of the record in it.
            record: what people are shown.
            fields: of the original, for a copy that asks for a second opinion; else empty.
        """
        proposal = record_schema.suggestion(
            self.task, batch, position, record.text, self.question_id
        )
        beside = self.layout.metadata_of(
            record, [self.names(name) for name in record_schema.METADATA]
        )
        return {
            "external_id": batch.items[position].external_id,
            "fields": {**self._fields(record), **fields},
            "metadata": {**beside, **self._metadata(batch, position)},
            **self._proposed(proposal),
        }

    def _fields(self, record: Record) -> dict[str, str]:
        """What people see of a text, and beside it."""
        if self.layout.has_parts:
            texts = self.layout.parts(record)
        else:
            texts = {self.layout.texts[0]: record_schema.field_text(self.task, record.text)}
        return {**texts, **self.layout.beside(record)}

    def merged(self, record: Json, batch: Batch, position: int, text: str) -> Json:
        """The same for a record that is there.

        Args:
            record: as it is now, with its suggestions.
            batch, position, text: see :meth:`new`.
        """
        proposal = record_schema.suggestion(self.task, batch, position, text, self.question_id)
        metadata = record.get("metadata") or {}
        return {
            "id": record["id"],
            "metadata": {
                **self.names.theirs(metadata),
                **self._metadata(batch, position),
                **self._maker(metadata),
            },
            **self._proposed(proposal if self._may_propose(record, proposal) else None),
        }

    def lost_its_place(self, record: Json, batch: Batch) -> bool:
        """Whether somebody took the batch's id, or the queue's mark, from a record that waits.

        Not where another run has it now.
        """
        metadata = record.get("metadata") or {}
        free = metadata.get(run_mark.PROPERTY, self.run_id) == self.run_id
        is_marked = queue_mark.is_on(record) or not self.marks_open
        return free and not (is_marked and self.names.ours(metadata).get("batch_id") == batch.id)

    def found_again(self, record: Json, batch: Batch) -> Json:
        """A record as it is now, with the batch's id, the run's mark and that of the queue."""
        metadata = record.get("metadata") or {}
        marks = {**self.names.named({"batch_id": batch.id}), **self._marks()}
        # Whoever has replaced all of its metadata may have made the record anew.
        return {"id": record["id"], "metadata": {**metadata, **marks, **self._maker(metadata)}}

    def marked(self, record: Json, *, is_open: bool) -> Json:
        """The same for a record of the run of which only the mark of the queue changes."""
        metadata = {**(record.get("metadata") or {}), run_mark.PROPERTY: self.run_id}
        metadata.pop(queue_mark.PROPERTY, None)
        opened = {queue_mark.PROPERTY: queue_mark.OPEN} if is_open else {}
        return {"id": record["id"], "metadata": {**metadata, **opened}}

    def is_ours(self, record: Json, batch_id: str) -> bool:
        """Whether a record bears the run's mark, or in a run older than marks its batch's id."""
        metadata = record.get("metadata") or {}
        if run_mark.PROPERTY in metadata:
            return bool(metadata[run_mark.PROPERTY] == self.run_id)
        return self.names.ours(metadata).get("batch_id") == batch_id

    def refuse_taken(self, record: Json, external_id: ExternalId, text: str) -> None:
        """Refuse to work on a record of another run, or on one that shows another text.

        Raises:
            DatasetError: it is one.
        """
        metadata = record.get("metadata") or {}
        if metadata.get(run_mark.PROPERTY, self.run_id) != self.run_id:
            raise DatasetError(
                f"the record `{external_id}` belongs to another run of loopd",
                "end one of the two; each needs an argilla.dataset of its own",
            )
        if not record_schema.shows_text(self.task, self.layout.text_in(record["fields"]), text):
            raise DatasetError(
                f"the dataset has another text under the id `{external_id}`",
                "somebody put it there: give the record another id in Argilla, or remove it",
            )

    def _metadata(self, batch: Batch, position: int) -> Json:
        ours = self.names.named(record_schema.metadata(batch, position))
        return {**ours, **self._marks()}

    def _marks(self) -> Json:
        """Of a record that waits: of the run, and of its queue where there is one."""
        opened = {queue_mark.PROPERTY: queue_mark.OPEN} if self.marks_open else {}
        return {run_mark.PROPERTY: self.run_id, **opened}

    def _maker(self, metadata: Json) -> Json:
        """Whose a record is that has these metadata."""
        return maker_mark.of_present(metadata, is_ours=self.names.are_published(metadata))

    def _may_propose(self, record: Json, proposal: Json | None) -> bool:
        """Whether no other agent has a suggestion there, and the server takes ours."""
        present = [
            entry
            for entry in record.get("suggestions") or ()
            if entry["question_id"] == self.question_id
        ]
        own = all(str(entry.get("agent")).startswith(AGENT) for entry in present)
        return proposal is not None and own and self._fits(record, proposal)

    def _fits(self, record: Json, proposal: Json) -> bool:
        """Argilla checks spans against the field as it is, and we did not pad one of others."""
        if self.task.kind != "spans":
            return True
        length = len(str(record["fields"].get(self.task.field_name) or ""))
        return all(span["end"] <= length for span in proposal["value"])

    def _proposed(self, proposal: Json | None) -> Json:
        if proposal is None:
            return {}
        return {"suggestions": [{**proposal, "value": self.labels.write(proposal["value"])}]}
