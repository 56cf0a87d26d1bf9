"""People who work on the in-memory store: they answer, change their minds, delete and restore.

The disk of its search is full now and then, too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from loopd.annotation.memory_store import MemoryStore
from loopd.records import AnswerStatus, ExternalId
from tests.faults.evidence import Click, Doings, Stored
from tests.faults.plan import opinion
from tests.people import is_guest

KEEP = 4
"""So many records people leave undeleted: an emptied dataset is an accident, and ends a run."""


class Crowd:
    """Clicks of several people, from one seed.

    Args:
        store: where they work.
        names: who they are.
        needed: answers that complete a record, which is then hidden from the others.
        rng: what they do.
        moment: seconds of the clock that does not jump.
    """

    def __init__(
        self,
        store: MemoryStore,
        names: tuple[str, ...],
        needed: int,
        rng: random.Random,
        moment: Callable[[], float],
    ) -> None:
        self._store = store
        self._moment = moment
        self._names = names
        self._needed = needed
        self._rng = rng
        self._changes: dict[tuple[str, str], int] = {}
        self._bin: dict[str, Any] = {}
        self._unseen: set[tuple[str, str]] = set()
        self.doings = Doings()
        self.resting = False

    def swept(self) -> None:
        """The loop has seen everything."""
        self._unseen.clear()

    def changed(self, id_: str, person: str) -> None:
        """An answer has changed, and nobody clicked."""
        self._unseen.add((id_, person))
        self._note(id_, person, None)

    def late(self) -> set[tuple[str, str]]:
        """What changed since then."""
        return set(self._unseen)

    def work(self, clicks: int) -> None:
        """So many clicks of anybody."""
        for _ in range(0 if self.resting else clicks):
            self.click()

    def click(self) -> None:
        """One person does something."""
        person, roll = self._rng.choice(self._names), self._rng.random()
        if roll < 0.78:
            self._answer_next(person)
        elif roll < 0.92:
            self._change(person)
        elif roll < 0.95:
            self._delete()
        elif roll < 0.98:
            self._restore()
        else:
            self._lose()

    def answer_everything(self) -> bool:
        """Everybody answers what is left for them; whether there was anything."""
        some = [(id_, person) for person in self._names for id_ in self._left(person)]
        for id_, person in some:
            if id_ in self._left(person):
                self._submit(id_, person)
        return bool(some)

    def records(self) -> dict[str, Stored]:
        """The store's records, raw."""
        return {
            id_: Stored(
                self._store.text(ExternalId(id_)),
                str(each.metadata.get("batch_id", "")),
                {name: (given.status.value, given.value) for name, given in each.answers.items()},
            )
            for id_, each in self._there.items()
        }

    @property
    def _there(self) -> dict[str, Any]:
        """The records that are theirs to answer, as the store has them."""
        records = (self._store._records or {}).items()
        return {id_: each for id_, each in records if not is_guest({"": self._store.text(id_)})}

    # -- clicks --------------------------------------------------------------------------------

    def _left(self, person: str) -> list[str]:
        """What the page shows to a person: no record that others have completed."""
        found = []
        for id_, record in self._there.items():
            counted = [a for a in record.answers.values() if a.status is not AnswerStatus.DISCARDED]
            shown = person not in record.answers and not record.is_lost
            if shown and len(counted) < self._needed:
                found.append(id_)
        return found

    def _answer_next(self, person: str) -> None:
        left = self._left(person)
        if self._rng.random() < 0.05:  # the page was open before others completed the record
            left = list(self._there)
        if not left:
            return
        id_, roll = self._rng.choice(left), self._rng.random()
        if roll < 0.06:
            self._store.discard(ExternalId(id_), person)
            self._clicked(id_, person)
        elif roll < 0.08:
            self._store.submit(ExternalId(id_), person, "no such label")
            self._clicked(id_, person)
        else:
            self._submit(id_, person)

    def _submit(self, id_: str, person: str) -> None:
        text = self._store.text(ExternalId(id_))
        value = opinion(person, text, self._changes.get((id_, person), 0))
        self.doings.says(id_, person, text, value)
        self._store.submit(ExternalId(id_), person, value)
        self._clicked(id_, person)

    def _change(self, person: str) -> None:
        """Edit, discard or take back an earlier answer, in any batch."""
        records = self._there
        mine = [id_ for id_, record in records.items() if person in record.answers]
        if not mine:
            return
        id_, roll = self._rng.choice(mine), self._rng.random()
        if roll < 0.6:
            self._changes[id_, person] = self._changes.get((id_, person), 0) + 1
            self._submit(id_, person)
        elif roll < 0.8:
            self._store.discard(ExternalId(id_), person)
            self._clicked(id_, person)
        else:
            self._store.withdraw(ExternalId(id_), person)
            self._clicked(id_, person)

    def _delete(self) -> None:
        ids = list(self._there)
        if len(ids) > KEEP:
            id_ = self._rng.choice(ids)
            self._bin[id_] = self._store._dataset()[ExternalId(id_)]
            self.doings.removed.add(id_)
            self._note_all(id_)
            self._store.delete(ExternalId(id_))

    def _restore(self) -> None:
        """Somebody brings a deleted record back from a copy of the database."""
        gone = sorted(id_ for id_ in self._bin if not self._store.holds(ExternalId(id_)))
        if gone:
            id_ = self._rng.choice(gone)
            self._store._dataset()[ExternalId(id_)] = self._bin.pop(id_)
            self._note_all(id_)

    def published_anew(self) -> set[str]:
        """Records that were deleted and that are there again although nobody restored them."""
        return {id_ for id_ in self._bin if self._store.holds(ExternalId(id_))}

    def _lose(self) -> None:
        """The search loses documents: people are shown these records no more."""
        ids = sorted(self._there)
        self._store.lose([*map(ExternalId, self._rng.sample(ids, len(ids) // 3))])

    def _note_all(self, id_: str) -> None:
        self._unseen.add((id_, ""))
        for name in self._names:
            self.changed(id_, name)

    def _clicked(self, id_: str, person: str) -> None:
        self._unseen.add((id_, person))
        given = self._store._dataset()[ExternalId(id_)].answers.get(person)
        left = ("withdrawn", None) if given is None else (given.status.value, given.value)
        self._note(id_, person, left)

    def _note(self, id_: str, person: str, left: tuple[str, Any] | None) -> None:
        self.doings.clicks.setdefault((id_, person), []).append(Click(self._moment(), left))
