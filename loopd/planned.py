"""Owns look-ups over the records of all batches; must not know what people answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loopd.growing import GrowingMap
from loopd.records import Batch


@dataclass(frozen=True, slots=True)
class Planned:
    """What was ever put into a batch.

    Attributes:
        originals: pool id by external id, in the order of planning.
        rounds: number of the batch by external id.
        draws: number of the batch by pool id of everything that was drawn at random, in order.
        texts: pool ids of all records that were put into a batch as new texts.
        external_ids: all ids in Argilla, those of copies included.
        copies: how many copies there are.
    """

    originals: GrowingMap[str, str] = field(default_factory=GrowingMap)
    rounds: GrowingMap[str, int] = field(default_factory=GrowingMap)
    draws: GrowingMap[str, int] = field(default_factory=GrowingMap)
    texts: frozenset[str] = frozenset()
    external_ids: frozenset[str] = frozenset()
    copies: int = 0

    def plus(self, batches: Iterable[Batch]) -> Planned:
        """With further batches."""
        items = [(item, batch.round) for batch in batches for item in batch.items]
        ids = [item.external_id for item, _ in items]
        new_texts = [item.record_id for item, _ in items if item.copy_id is None]
        return Planned(
            self.originals.updated(zip(ids, (item.record_id for item, _ in items), strict=True)),
            self.rounds.updated(zip(ids, (number for _, number in items), strict=True)),
            self.draws.updated((item.record_id, number) for item, number in items if item.draw),
            self.texts.union(new_texts),
            self.external_ids.union(ids),
            self.copies + len(items) - len(new_texts),
        )
