"""Owns who has left Argilla, whose answers go with the account; must not change anything there.

Argilla deletes all answers of an account that is deleted, and does not say so. That is not what
people do who take an answer back: their accounts are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from loopd import log
from loopd.annotation.consensus import given
from loopd.annotation.store import AnnotationStore, Sweep, VisibleAccounts
from loopd.errors import ArgillaError, TransientError
from loopd.loop.collecting import vanished
from loopd.machine import State
from loopd.storage.names import UnsavedNames

HINTS = {
    True: "the run keeps what it has read of them; people.keep_answers_of_deleted_accounts: false "
    "leaves them out",
    False: "their records are asked again; people.keep_answers_of_deleted_accounts: true keeps "
    "what was read",
}


class Names(Protocol):
    """Where names are kept when the process ends."""

    def read(self) -> dict[str, str]:
        """Those that were kept, by Argilla's id."""

    def keep(self, names: Mapping[str, str]) -> None:
        """Keep all names."""


class AccountWatch:
    """Remembers the names of those who answer, and notices when their accounts are deleted.

    Args:
        store: whose accounts are watched; ``None`` watches nobody.
        names: keeps names for the next process.
        keep: ``people.keep_answers_of_deleted_accounts``.
    """

    def __init__(
        self,
        store: AnnotationStore | None = None,
        names: Names | None = None,
        *,
        keep: bool = True,
    ) -> None:
        self._store = store
        self._saved = names or UnsavedNames()
        self._names: dict[str, str] | None = None
        self._looked_for: set[str] = set()
        self.keep = keep

    def departed(self, state: State, sweep: Sweep) -> frozenset[str]:
        """Annotators whose answers are gone from Argilla together with their accounts.

        Args:
            state: what the journal says.
            sweep: what Argilla shows.
        """
        if self._store is None:
            return frozenset()
        self._notice({answer.annotator for answer in sweep.answers})
        gone = Counter(answer.annotator for answer in vanished(state, sweep))
        suspects = gone.keys() - state.departed
        accounts = self._store.accounts() if suspects else None
        if accounts is None:
            return frozenset()
        held = Counter(
            answer.annotator
            for answer in given(state)
            if answer.record_id not in state.deleted and answer.record_id not in sweep.missing
        )
        deleted = {
            id_
            for id_ in suspects
            if self._is_deleted(id_, accounts, all_gone=gone[id_] == held[id_])
        }
        for id_ in sorted(deleted):
            self._say(id_, gone[id_])
        return frozenset(deleted)

    def _is_deleted(self, id_: str, accounts: VisibleAccounts, *, all_gone: bool) -> bool:
        """Whether the account is not there any more.

        Who may not see all accounts only knows who was in the workspace and is not: then
        everything must be gone at once.
        """
        if id_ in accounts.names or accounts.complete:
            return id_ not in accounts.names
        return id_ in self._known() and all_gone

    def _notice(self, annotators: set[str]) -> None:
        """Learn the names of those who are new."""
        new = annotators - self._known().keys() - self._looked_for
        if self._store is None or not new:
            return
        try:
            accounts = self._store.accounts()
        except (TransientError, ArgillaError):
            return  # names are for messages only, and the next sweep asks again
        self._looked_for |= new
        if accounts is not None:
            self._learn({id_: name for id_, name in accounts.names.items() if id_ in annotators})

    def _learn(self, names: Mapping[str, str]) -> None:
        self._names = {**self._known(), **names}
        self._saved.keep(self._names)

    def _known(self) -> dict[str, str]:
        if self._names is None:
            self._names = self._saved.read()
        return self._names

    def _say(self, id_: str, count: int) -> None:
        name = self._known().get(id_)
        log.get("loop").warning(
            "account_deleted",
            account=name or "not known by name",
            **({} if name else {"id": id_}),
            answers=count,
            hint=HINTS[self.keep],
        )
