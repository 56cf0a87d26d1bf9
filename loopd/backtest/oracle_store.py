"""Owns the annotation store of a backtest, in memory and answered by oracles; must not connect."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import DatasetSettings, Progress, Published, Sweep, VisibleAccounts
from loopd.data.pool import Pool
from loopd.oracle.behaviour import OracleOptions, behave
from loopd.records import Answer, Batch, BatchItem, ExternalId, PoolId, Target
from loopd.tasks.task import Task

LOOKS = 2
"""So often the loop looks before it closes a batch early: at the answers, and once more."""


class OracleStore:
    """An :class:`~loopd.annotation.store.AnnotationStore` that answers what is published.

    Answers depend on seed, person and record alone, so that a run which goes on after a crash, and
    another arm, get the same ones. A record without a known label is discarded. A copy is answered
    by one person who has not answered the record yet, or by anybody where there is none.

    Args:
        task: decides which values are valid.
        people: how many there are, how often they err, and the seed.
        needed: how many answer a new text; they take turns where there are more.
        published: batches that were published before, oldest first.
        held: the last records of a batch, so many, are answered only when the next batch is there,
            or when the loop will not go on without them.
    """

    def __init__(
        self,
        task: Task,
        people: OracleOptions,
        published: Sequence[Batch] = (),
        *,
        needed: int | None = None,
        held: int = 0,
    ) -> None:
        self._memory = MemoryStore(task)
        self._task = task
        self._options = people
        self._needed = people.people if needed is None else min(needed, people.people)
        self._published = tuple(published)
        self._held = held
        self._later: list[BatchItem] = []
        self._looks = 0
        self._gold: dict[str, Target] = {}
        self._answered: defaultdict[str, list[int]] = defaultdict(list)

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Publish again what was published before; it gets the same answers at the same times."""
        del fresh
        opened = self._memory.open(pool, fresh=True)
        self._gold = {record.id: record.gold for record in pool if record.gold is not None}
        for batch in self._published:
            self.publish(batch, {id_: pool[id_].text for id_ in batch.record_ids})
        return opened

    def grow(self, pool: Pool) -> None:
        """See :meth:`AnnotationStore.grow`."""
        self._memory.grow(pool)
        self._gold = {record.id: record.gold for record in pool if record.gold is not None}

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Publish and answer: first what was held back, then all but what is held back now."""
        fresh = [item for item in batch.items if not self._memory.holds(item.external_id)]
        self._finish()
        left_out = self._memory.publish(batch, texts)
        now = fresh[: max(0, len(fresh) - self._held)]
        self._let_answer(now)
        self._later, self._looks = fresh[len(now) :], 0
        return left_out

    def published(self, pool: Pool, progress: Progress | None = None) -> Published:
        """Everything that was published."""
        return self._memory.published(pool, progress)

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        """Nothing: what is published is answered."""
        del batches, texts

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        """Nothing: there is no page."""
        del external_ids

    def visible(
        self, batches: Sequence[Batch], *, open_only: bool = False
    ) -> frozenset[ExternalId]:
        """What is published."""
        return self._memory.visible(batches, open_only=open_only)

    def reopen(self, batches: Sequence[Batch]) -> frozenset[ExternalId]:
        """Nothing is ever lost."""
        return self._memory.reopen(batches)

    def accounts(self) -> VisibleAccounts | None:
        """Nobody is ever deleted."""
        return None

    def activity(self) -> str:
        """Moves with every answer; who looks again and again waits for what is held back."""
        self._looks += 1
        if self._looks > LOOKS:
            self._finish()
        return self._memory.activity()

    def sweep(self, external_ids: Collection[ExternalId]) -> Sweep:
        """The present answers on these records."""
        return self._memory.sweep(external_ids)

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        """The present answers on the records of these batches."""
        return self._memory.sweep_batches(batches)

    def settings(self) -> DatasetSettings | None:
        """Nobody changes any."""
        return None

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Turn submitted answers into discards; nobody here gives any that would have to be."""
        self._memory.set_aside(answers)

    def remove(
        self, external_ids: Collection[ExternalId], is_withdrawn: Callable[[str], bool]
    ) -> frozenset[str]:
        """Nobody withdraws any."""
        return self._memory.remove(external_ids, is_withdrawn)

    def describe(self) -> str:
        """There is no address."""
        return self._memory.describe()

    def close(self) -> None:
        """Nothing to release."""

    def _finish(self) -> None:
        later, self._later = self._later, []
        self._let_answer(later)

    def _let_answer(self, items: Sequence[BatchItem]) -> None:
        for turn in range(self._needed):
            for item in items:
                if item.copy_id is None or turn == 0:
                    self._answer(item)

    def _answer(self, item: BatchItem) -> None:
        number = self._next_person(item.record_id)
        person, options = f"oracle-{number + 1}", self._options.of_person(number)
        done = behave(options, self._gold, self._task, person=person, external_id=item.record_id)
        if done is None or done.first is None:
            self._memory.discard(item.external_id, person)
        else:
            self._memory.submit(item.external_id, person, done.first)

    def _next_person(self, record_id: str) -> int:
        """Who answers next: from the first where all answer all, else from one drawn for each."""
        people, before = self._options.people, self._answered[record_id]
        seed = f"{self._options.seed}|first|{record_id}"
        begin = 0 if self._needed == people else random.Random(seed).randrange(people)  # noqa: S311
        number = (begin + len(before)) % people
        before.append(number)
        return number
