"""Owns look-ups over the records of all batches; must not know what people answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loopd.growing_map import GrowingMap
from loopd.records import Batch, ExternalId, PoolId


@dataclass(frozen=True, slots=True)
class Planned:
    """What was ever put into a batch.

    Attributes:
        originals: pool id by external id, in the order of planning.
        positions: of its batch among all batches, by external id.
        draws: number of the batch by pool id of everything that was drawn at random, in order.
        tests: pool ids of the draws that are a test set which people label.
        texts: pool ids of all records that were put into a batch as new texts.
        external_ids: all ids in Argilla, those of copies included.
        batches, copies: how many there are.
    """

    originals: GrowingMap[ExternalId, PoolId] = field(default_factory=GrowingMap)
    positions: GrowingMap[ExternalId, int] = field(default_factory=GrowingMap)
    draws: GrowingMap[PoolId, int] = field(default_factory=GrowingMap)
    tests: frozenset[PoolId] = frozenset()
    texts: frozenset[PoolId] = frozenset()
    external_ids: frozenset[ExternalId] = frozenset()
    batches: int = 0
    copies: int = 0

    def plus(self, batches: Sequence[Batch]) -> Planned:
        """With further batches."""
        rows = [
            (item.external_id, item, self.batches + position, batch.round)
            for position, batch in enumerate(batches)
            for item in batch.items
        ]
        texts = [item.record_id for _, item, _, _ in rows if item.copy_id is None]
        return Planned(
            self.originals.updated((id_, item.record_id) for id_, item, _, _ in rows),
            self.positions.updated((id_, position) for id_, _, position, _ in rows),
            self.draws.updated(
                (item.record_id, number) for _, item, _, number in rows if item.draw
            ),
            self.tests.union(item.record_id for _, item, _, _ in rows if item.test),
            self.texts.union(texts),
            self.external_ids.union(id_ for id_, _, _, _ in rows),
            self.batches + len(batches),
            self.copies + len(rows) - len(texts),
        )
