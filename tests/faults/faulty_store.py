"""The in-memory store behind a bad line, with people who act whenever the loop looks away."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import DatasetSettings, Sweep, VisibleAccounts
from loopd.data.pool import Pool
from loopd.errors import TransientError
from loopd.records import Answer, Batch, ExternalId, PoolId
from tests.faults.crowd import Crowd
from tests.faults.weather import KILL_BETWEEN, OUTAGE_BETWEEN, Killed, Weather

BULK = 3
"""Records in one transaction: small, so that batches need several."""


class FaultyStore:
    """What one daemon sees of the store.

    Args:
        store: survives the daemon.
        weather: strikes each call, and between two transactions of one.
        meanwhile: called before and after each call; people act in it.
        crowd: hears what the loop has seen, and what it set aside.
    """

    def __init__(
        self,
        store: MemoryStore,
        weather: Weather,
        meanwhile: Callable[[], None],
        crowd: Crowd,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._weather = weather
        self._meanwhile = meanwhile
        self._crowd = crowd
        self._rng = rng

    def open(self, pool: Pool, *, fresh: bool) -> str:
        return str(self._call("open", lambda: self._store.open(pool, fresh=fresh)))

    def grow(self, pool: Pool) -> None:
        self._store.grow(pool)

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        left_out: set[ExternalId] = set()

        def effect() -> None:
            for start in range(0, len(batch.items), BULK):
                if start:
                    self._between("publish")
                part = replace(batch, items=batch.items[start : start + BULK])
                left_out.update(self._store.publish(part, texts))

        self._call("publish", effect)
        return frozenset(left_out)

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        def effect() -> None:
            for place, batch in enumerate(batches):
                if place:
                    self._between("refresh")
                self._store.refresh([batch], texts)

        self._call("refresh", effect)

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        self._store.show_only(external_ids)

    def remove(
        self, external_ids: Collection[ExternalId], is_withdrawn: Callable[[str], bool]
    ) -> frozenset[str]:
        def effect() -> frozenset[str]:
            return self._store.remove(external_ids, is_withdrawn)

        others: frozenset[str] = self._call("remove", effect)
        return others

    def visible(
        self, batches: Sequence[Batch], *, open_only: bool = False
    ) -> frozenset[ExternalId]:
        def effect() -> frozenset[ExternalId]:
            return self._store.visible(batches, open_only=open_only)

        visible: frozenset[ExternalId] = self._call("visible", effect)
        lags = self._rng.random() < 0.2
        return frozenset(id_ for id_ in sorted(visible) if not lags or self._rng.random() < 0.5)

    def reopen(self, batches: Sequence[Batch]) -> frozenset[ExternalId]:
        reopened: frozenset[ExternalId] = self._call("reopen", lambda: self._store.reopen(batches))
        return reopened

    def accounts(self) -> VisibleAccounts | None:
        return self._store.accounts()

    def activity(self) -> str:
        return str(self._call("activity", self._store.activity))

    def sweep(self, external_ids: Collection[ExternalId]) -> Sweep:
        def effect() -> Sweep:
            found = self._store.sweep(external_ids)
            answers = list(found.answers)
            self._rng.shuffle(answers)  # no order is promised
            self._crowd.swept()
            return replace(found, answers=tuple(answers))

        found: Sweep = self._call("sweep", effect)
        return found

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        def effect() -> Sweep:
            return self._store.sweep_batches(batches)

        sweep: Sweep = self._call("sweep_batches", effect)
        lags = self._rng.random() < 0.2  # the search may lack what the database has
        answers = [one for one in sweep.answers if not lags or self._rng.random() < 0.5]
        self._rng.shuffle(answers)
        return replace(sweep, answers=tuple(answers))

    def set_aside(self, answers: Collection[Answer]) -> None:
        def effect() -> None:
            for place, answer in enumerate(answers):
                if place:
                    self._between("set_aside")
                self._crowd.changed(answer.external_id, answer.annotator)
                self._store.set_aside([answer])

        self._call("set_aside", effect)

    def settings(self) -> DatasetSettings | None:
        return self._store.settings()

    def describe(self) -> str:
        return self._store.describe()

    def close(self) -> None:
        """The server lives on."""

    def _call(self, where: str, effect: Callable[[], Any]) -> Any:
        self._weather.clock.pass_(self._rng.uniform(0.01, 0.5))
        self._weather.maybe_jump()
        self._meanwhile()
        result = self._weather.around(where, effect)
        self._meanwhile()
        return result

    def _between(self, where: str) -> None:
        way = self._weather.strikes(where, KILL_BETWEEN, OUTAGE_BETWEEN)
        if way == KILL_BETWEEN:
            raise Killed(where)
        if way == OUTAGE_BETWEEN:
            raise TransientError(f"{where}: cut in the middle")
        self._meanwhile()
