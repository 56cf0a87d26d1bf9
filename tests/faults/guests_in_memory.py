"""Records and metadata of others in the in-memory store, and whether loopd has left them alone."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from loopd.annotation.memory_store import MemoryStore
from loopd.records import ExternalId
from tests.guard import MARK, NAMES
from tests.people import GUEST

GUESTS = 3


class Guests:
    """People who have nothing to do with the run: they add metadata to any record.

    Args:
        store: without records yet.
        seed: of what they do.
    """

    def __init__(self, store: MemoryStore, seed: int) -> None:
        self._store = store
        self._rng = random.Random(f"guests of {seed}")
        self._added: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        for number in range(self._rng.choice((0, GUESTS))):
            id_, text = f"guest-{number}", f"{GUEST}{number}"
            self._texts[id_], self._added[id_] = text, {"source": "import", "year": 2000 + number}
            store.log(ExternalId(id_), text, **self._added[id_])

    def act(self) -> None:
        """Somebody adds metadata to a record, or changes what somebody has added."""
        there = sorted(self._store._records or ())
        if there:
            id_ = self._rng.choice(there)
            added = {"assigned_to": self._rng.choice(("ann", "bob"))}
            self._store.annotate(id_, **added)
            self._added.setdefault(id_, {}).update(added)

    def differences(self, anew: Collection[str] = ()) -> list[str]:
        """What is not as people left it, one line each.

        Args:
            anew: records that people deleted and that were published again: what had been added to
                them is gone by people's own hand.
        """
        if self._store._records is None:
            return []
        lines = [f"{id_} is gone" for id_ in self._texts if not self._store.holds(ExternalId(id_))]
        for id_ in self._store._records:
            metadata, due = self._store.metadata(id_), self._added.get(id_, {})
            theirs = {name: value for name, value in metadata.items() if name not in NAMES}
            if theirs != due and not (id_ in anew and theirs.items() <= due.items()):
                lines.append(f"{id_} has {theirs} of others, not {due}")
            if id_ not in self._texts and MARK not in metadata:
                lines.append(f"{id_} is loopd's, and has no mark")
            if id_ in self._texts and self._changed(id_):
                lines.append(f"{id_} is not what it was")
        return lines

    def _changed(self, id_: str) -> bool:
        """Whether a record of others has another text, or anything of loopd's."""
        ours = NAMES & self._store.metadata(ExternalId(id_)).keys()
        proposed = self._store.suggestion(ExternalId(id_)) is not None
        return self._store.text(ExternalId(id_)) != self._texts[id_] or bool(ours) or proposed
