"""Owns what is written into an Argilla dataset, record by record; must not replace or delete.

What is new is created, and what is there gets ours merged into what it holds at that moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from loopd.annotation import record_schema
from loopd.annotation.argilla_dataset import ArgillaDataset, DatasetPlan
from loopd.annotation.bulk import Bulks
from loopd.annotation.http import NotFoundError, TooLargeError
from loopd.annotation.record_bodies import RecordBodies, spoils_bulks
from loopd.errors import ArgillaError
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Record, published_as

Json = dict[str, Any]


class DatasetWriter:
    """Writes a run's batches into its dataset.

    Args:
        dataset: that is open.
        plan: what the run needs of it.
    """

    def __init__(self, dataset: ArgillaDataset, plan: DatasetPlan) -> None:
        self._dataset = dataset
        self._task = plan.task
        self._layout = plan.layout
        self._in_place = plan.in_place
        self._bulks = Bulks()

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Create the batch's items, or merge them into records that are there.

        What is new comes first, right after a look at what is there: somebody may add the same
        texts at any moment.

        Returns:
            External ids of what is left as it is: of a pool in Argilla what was removed or edited,
            and a record to which Argilla's own engines cannot write.
        """
        if self._dataset.has_grown():
            self._dataset.records()
        absent: list[tuple[int, BatchItem]] = []
        there: list[tuple[int, BatchItem]] = []
        for position, item in enumerate(batch.items):
            is_there = self._record_id(item.external_id) is not None
            (there if is_there else absent).append((position, item))
        left_out = self._create(batch, texts, absent)
        vanished = []
        for position, item in there:
            record = self._present(item.external_id)
            if record is None:
                vanished.append((position, item))
            elif spoils_bulks(record) or self._was_edited(record, texts[item.record_id]):
                left_out.add(item.external_id)
            else:
                text, writer = texts[item.record_id], self._writer()
                writer.refuse_taken(record, item.external_id, text)
                self._merge(record, writer.merged(record, batch, position, text))
        return frozenset(left_out | self._create(batch, texts, vanished))

    def _create(
        self, batch: Batch, texts: Mapping[PoolId, str], ranked: Sequence[tuple[int, BatchItem]]
    ) -> set[ExternalId]:
        """Items with their ranks; external ids of those left out.

        Of a pool in Argilla that is what was removed or edited.
        """
        writer, bodies, left_out = self._writer(), [], set()
        for position, item in ranked:
            fields = self._fields_of(item)
            if self._in_place and not fields:
                left_out.add(item.external_id)
                continue  # the next sweep misses it
            pool, id_ = self._dataset.index.pool, item.record_id
            shown = pool[id_] if id_ in pool else Record(id_, texts[id_])
            bodies.append(writer.new(batch, position, shown, fields))
        for record in self._send("POST", bodies):
            self._dataset.index.add(record)
        return left_out

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        """Mark these records as open, and take the mark from all others of the run."""
        index, writer = self._dataset.index, self._writer()
        if not index.positions:  # a process that ends without a look at the answers
            self._dataset.records()
        shown = {index.record_ids[id_] for id_ in external_ids if id_ in index.record_ids}
        opened, closed = shown - index.marked_ids, index.marked_ids - shown - index.completed_ids
        if opened or closed:
            self._dataset.add_metadata()  # somebody may have removed some since
        for record_id in sorted(opened | closed):
            record = self._dataset.record(record_id)
            if record is not None and not spoils_bulks(record):
                self._merge(record, writer.marked(record, is_open=record_id in opened))
            index.marked_ids ^= {record_id}

    def reopen(self, batches: Sequence[Batch]) -> Iterator[ExternalId]:
        """Have answers counted and records indexed anew; external ids of what is pending then."""
        record_ids = self._dataset.index.record_ids
        planned = {
            record_ids[id_]: (id_, batch)
            for batch in batches
            for id_ in batch.external_ids
            if id_ in record_ids
        }
        writer = self._writer()
        for record in self._send("PUT", [{"id": record_id} for record_id in planned]):
            id_, batch = planned[record["id"]]
            if writer.lost_its_place(record, batch):
                self._give_back(record["id"], batch)
            if record.get("status") == "pending":
                yield id_

    def _give_back(self, record_id: str, batch: Batch) -> None:
        """Its batch's id and its mark, by which people's page and the loop find a record."""
        record = self._dataset.record(record_id)
        if record is not None:
            for written in self._send("PUT", [self._writer().found_again(record, batch)]):
                self._dataset.index.add(written)

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        """Merge ranks and suggestions into the batches' records that nobody has answered."""
        writer = self._writer()
        for batch in batches:
            for position, item in enumerate(batch.items):
                shown = item.suggestion is None or self._task.suggestion(item.suggestion)
                record = self._present(item.external_id) if shown else None
                # Read and written one by one: what people add in between is lost to the server.
                if record and not record["responses"] and writer.is_ours(record, batch.id):
                    body = writer.merged(record, batch, position, texts[item.record_id])
                    self._merge(record, body)

    def _merge(self, record: Json, body: Json) -> None:
        """Send ours with what is there: Argilla checks all of it, as the settings are now."""
        try:
            self._send("PUT", [body])
        except (NotFoundError, TooLargeError):
            raise
        except ArgillaError as error:
            text = self._layout.text_in(record["fields"])
            raise ArgillaError(
                f"Argilla does not take a record back as it is ({text!r:.60}): {error.message}",
                "mend its metadata in Argilla, or the dataset's settings: whether other metadata "
                "are allowed, and which values",
            ) from error

    def _send(self, method: str, bodies: Sequence[Json]) -> list[Json]:
        """Bulk requests; the records as Argilla now has them."""

        def send(items: list[Json]) -> list[Json]:
            answer = self._dataset.api.request(method, "/records/bulk", json={"items": items})
            written: list[Json] = answer["items"]
            return written

        return self._bulks.send(bodies, send)

    def _writer(self) -> RecordBodies:
        dataset = self._dataset
        return RecordBodies(
            self._task,
            dataset.question_id,
            dataset.names,
            dataset.run_id,
            dataset.labels,
            self._layout,
            marks_open=self._in_place,
        )

    def _was_edited(self, record: Json, text: str) -> bool:
        """Whether somebody has changed the text of a record of a pool in Argilla."""
        shown = self._layout.text_in(record["fields"])
        return self._in_place and not record_schema.shows_text(self._task, shown, text)

    def _record_id(self, external_id: ExternalId) -> str | None:
        """Argilla's id of a record that was there when the dataset was last read."""
        index = self._dataset.index
        # Of a pool in Argilla only a record that still shows the text.
        find = index.record_ids.get if self._in_place else index.record_id
        return find(external_id)

    def _present(self, external_id: ExternalId) -> Json | None:
        """A record that is there, as it is now."""
        record_id = self._record_id(external_id)
        return None if record_id is None else self._dataset.record(record_id)

    def _fields_of(self, item: BatchItem) -> Mapping[str, Any]:
        """Of a copy that asks for a second opinion: it shows what its original shows."""
        record_id = self._dataset.index.record_ids.get(published_as(item.record_id))
        if item.copy_id is None or record_id is None:
            return {}
        original = self._dataset.record(record_id)
        return {} if original is None else original["fields"]
