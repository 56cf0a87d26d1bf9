"""Owns the annotation store of a backtest, in memory and answered at once; must not connect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import Sweep
from loopd.data.pool import Pool
from loopd.records import Batch
from loopd.simulation.behaviour import OracleOptions, behave
from loopd.tasks.task import Task


class OracleStore:
    """An :class:`~loopd.annotation.store.AnnotationStore` that answers what is published.

    Answers depend on seed, person and record alone, so that a run which goes on after a crash, and
    another arm, get the same ones. A record without a known label is discarded.

    Args:
        task: decides which values are valid.
        labels: the labels that can be submitted.
        people: how many answer each record, how often they err, and the seed.
        published: batches that were published before, oldest first.
    """

    def __init__(
        self,
        task: Task,
        labels: tuple[str, ...],
        people: OracleOptions,
        published: Sequence[Batch] = (),
    ) -> None:
        self._memory = MemoryStore(task)
        self._labels = labels
        self._options = people
        self._published = tuple(published)
        self._gold: dict[str, str] = {}

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Publish again what was published before; it gets the same answers at the same times."""
        del fresh
        opened = self._memory.open(pool, fresh=True)
        self._gold = {record.id: record.gold for record in pool if record.gold is not None}
        for batch in self._published:
            self.publish(batch, {id_: pool[id_].text for id_ in batch.record_ids})
        return opened

    def publish(self, batch: Batch, texts: Mapping[str, str]) -> None:
        """Publish and answer."""
        self._memory.publish(batch, texts)
        for number in range(self._options.people):
            person = f"oracle-{number + 1}"
            for record_id in self._memory.open_records(person):
                self._answer(record_id, person)

    def activity(self) -> str:
        """Moves with every answer."""
        return self._memory.activity()

    def sweep(self, record_ids: Collection[str]) -> Sweep:
        """The present answers on these records."""
        return self._memory.sweep(record_ids)

    def describe(self) -> str:
        """There is no address."""
        return self._memory.describe()

    def close(self) -> None:
        """Nothing to release."""

    def _answer(self, record_id: str, person: str) -> None:
        done = behave(self._options, self._gold, self._labels, person=person, external_id=record_id)
        if done is None or done.first is None:
            self._memory.discard(record_id, person)
        else:
            self._memory.submit(record_id, person, done.first)
