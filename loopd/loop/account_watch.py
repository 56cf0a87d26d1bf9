"""Owns who has left Argilla, whose answers go with the account; must not change anything there.

Argilla deletes all answers of an account that is deleted, and does not say so. That is not what
people do who take an answer back: their accounts are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from loopd import log
from loopd.annotation.consensus import given
from loopd.annotation.store import AnnotationStore, Sweep, VisibleAccounts
from loopd.errors import LoopdError, StorageError
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
        self._saved: Names = names or UnsavedNames()
        self._names: dict[str, str] | None = None
        self._looked_for: set[str] = set()
        self._halfway: frozenset[str] = frozenset()
        self.keep = keep

    def departed(self, state: State, sweep: Sweep) -> frozenset[str] | None:
        """Annotators whose answers are gone from Argilla together with their accounts.

        Args:
            state: what the journal says.
            sweep: what Argilla shows.

        Returns:
            ``None`` where only another sweep can tell: an account may have been deleted between two
            pages of this one, and part of its answers looks as if it had been taken back.
        """
        if self._store is None:
            return frozenset()
        self._notice({answer.annotator for answer in sweep.answers})
        gone = Counter(answer.annotator for answer in vanished(state, sweep))
        suspects = gone.keys() - state.departed
        accounts = self._store.accounts() if suspects else None
        if accounts is None:
            self._halfway = frozenset()
            return frozenset()
        held = Counter(
            answer.annotator
            for answer in given(state)
            if answer.external_id not in state.deleted and answer.external_id not in sweep.missing
        )
        left = frozenset(id_ for id_ in suspects if self._has_left(id_, accounts))
        # Who may not see all accounts does not know whether a former member's is still there.
        partly = frozenset() if accounts.complete else _partly(left, gone, held)
        unclear, self._halfway = partly - self._halfway, partly
        if unclear:
            return None
        for id_ in sorted(left - partly):
            self._say(id_, gone[id_])
        return left - partly

    def _has_left(self, id_: str, accounts: VisibleAccounts) -> bool:
        """Whether the account is not there any more, or not a member as it was."""
        return id_ not in accounts.names and (accounts.complete or id_ in self._known())

    def _notice(self, annotators: set[str]) -> None:
        """Learn the names of those who are new."""
        new = annotators - self._known().keys() - self._looked_for
        if self._store is None or not new:
            return
        try:
            accounts = self._store.accounts()
        except LoopdError:
            return  # names are for messages only, and the next sweep asks again
        self._looked_for |= new
        if accounts is not None:
            self._learn({id_: name for id_, name in accounts.names.items() if id_ in annotators})

    def _learn(self, names: Mapping[str, str]) -> None:
        self._names = {**self._known(), **names}
        try:
            self._saved.keep(self._names)
        except StorageError as error:
            self._say_unkept(error)

    def _known(self) -> dict[str, str]:
        if self._names is None:
            try:
                self._names = self._saved.read()
            except StorageError as error:
                self._names = {}
                self._saved = UnsavedNames()  # what is in the file stays there
                self._say_unkept(error)
        return self._names

    @staticmethod
    def _say_unkept(error: StorageError) -> None:
        """Without the names a run goes on; ids are shown in their place."""
        log.get("loop").warning("names_not_kept", problem=error.message, hint=error.hint)

    def _say(self, id_: str, count: int) -> None:
        name = self._known().get(id_)
        log.get("loop").warning(
            "account_deleted",
            account=name or "not known by name",
            **({} if name else {"id": id_}),
            answers=count,
            hint=HINTS[self.keep],
        )


def _partly(ids: Iterable[str], gone: Counter[str], held: Counter[str]) -> frozenset[str]:
    """Those of whom the run has answers that are still there."""
    return frozenset(id_ for id_ in ids if gone[id_] != held[id_])
