"""Owns when texts are withdrawn, and what follows from it: the fact first, then files and Argilla.

Whatever is interrupted behind the fact is done again by the next process. Must not decide which
texts these are: somebody has named their ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from loopd import log
from loopd.annotation.store import AnnotationStore, Progress
from loopd.config import Config
from loopd.data.pool import Pool
from loopd.data.stored_pool import StoredPool
from loopd.events import TextsWithdrawn
from loopd.folding import records_of
from loopd.learning.classifiers.contract import silent
from loopd.loop.erasing import Erased, erase
from loopd.machine import State
from loopd.records import PoolId
from loopd.storage.journal import Journal
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.withdrawn_texts import read_withdrawn, write_withdrawn

SHOWN = 5
"""Files and records that a log line lists."""


@dataclass
class RemovalWatch:
    """Looks for requests to withdraw texts.

    Attributes:
        config: of the run, whose lock the process holds.
        wall: clock in seconds.
        journal: of the run, open to append; ``None`` where it is kept elsewhere.
        tick: called with (what, done, total) while texts are erased; may raise.
        pool: that without the texts, after :meth:`requested` has returned an event.
    """

    config: Config
    wall: Callable[[], float] = time.time
    journal: Journal | None = None
    tick: Progress = silent
    pool: Pool = field(default_factory=lambda: Pool(()))
    _pending: list[Path] = field(default_factory=list)
    _unreadable: set[Path] = field(default_factory=set)
    _settled: frozenset[PoolId] = frozenset()

    def look(self, state: State, pool: Pool, store: AnnotationStore) -> TextsWithdrawn | None:
        """See to what was withdrawn before; then what is asked for by now, as the next event.

        Args:
            state: what the journal says.
            pool: the texts of the run.
            store: where their records are.

        Raises:
            StorageError: the run's folder cannot be read or written.
            TransientError, ArgillaError: of the store.
        """
        if state.withdrawn != self._settled:
            self.erase(state)
            self.take_from(store, state)
            self._settled = state.withdrawn
        return self.requested(state, pool)

    def requested(self, state: State, pool: Pool) -> TextsWithdrawn | None:
        """What is asked for, as an event; ``None`` where nothing of it is new."""
        requests = RemovalRequests(self.config.run.dir)
        waiting = requests.readable()
        self._say_unreadable(set(requests.waiting()) - set(waiting))
        if not waiting or state.started is None:
            return None
        asked = frozenset[PoolId]().union(*waiting.values())
        ids = tuple(sorted(id_ for id_ in asked if id_ in pool and id_ not in state.withdrawn))
        if not ids:
            requests.take_out(waiting)
            return None
        self.pool, self._pending = pool.without_texts(ids), list(waiting)
        return TextsWithdrawn(self.wall(), ids, self.pool.fingerprint)

    def _say_unreadable(self, paths: set[Path]) -> None:
        """They stay where they are: somebody waits for what they ask for."""
        for path in sorted(paths - self._unreadable):
            self._unreadable.add(path)
            log.get("data").warning(
                "removal_left_out",
                file=str(path),
                hint="let loopd's account read the file and start again, or remove it and use "
                "`loopd remove` once more",
            )

    def erase(self, state: State) -> Erased:
        """Erase the texts in the run's folder, once the fact is durable.

        Raises:
            StorageError: a file is damaged, or cannot be written.
            Interrupted: a stop was asked for; the next process begins anew.
        """
        erased = erase(self.config, state, self.journal, self.tick)
        if erased.texts:
            log.get("data").info("texts_erased", count=erased.texts)
        if erased.to_see_to:
            log.get("data").warning(
                "texts_left_in_files",
                files=[str(path) for path in erased.to_see_to[:SHOWN]],
                hint="loopd has not made these files, or cannot write them: remove them yourself",
            )
        if erased.unread:
            log.get("data").warning(
                "files_not_searched",
                files=[str(path) for path in erased.unread[:SHOWN]],
                hint="they could not be read, or somebody wrote them all the while: see for "
                "yourself whether they hold one of the texts",
            )
        RemovalRequests.take_out(self._pending)
        self._pending = []
        return erased

    def take_from(self, store: AnnotationStore, state: State) -> frozenset[str]:
        """Take the records from Argilla; names of those of others, which stay.

        Raises:
            TransientError, ArgillaError: of the store; then it is still to be done.
        """
        known = read_withdrawn(self.config.run.dir)
        if not known.in_argilla:
            return frozenset()
        others = store.remove(records_of(known.in_argilla, state.originals), known.holds)
        write_withdrawn(self.config.run.dir, replace(known, in_argilla=frozenset()))
        if others:
            log.get("loop").warning(
                "texts_left_in_argilla",
                count=len(others),
                records=sorted(others)[:SHOWN],
                hint="others have made these records: delete them in Argilla",
            )
        return others


def overdue(folder: Path, state: State, pool: Pool, now: float) -> TextsWithdrawn | None:
    """What the table of texts has lost, and the journal does not say; ``None`` for nothing.

    So it is with a journal from a backup, and with one that is rebuilt.

    Args:
        folder: ``run.dir``.
        state: what the journal says.
        pool: the texts of the run.
        now: seconds since the epoch.
    """
    if isinstance(pool, StoredPool) and not read_withdrawn(folder).digests:
        return None  # it is not read for nothing
    ids = tuple(each.id for each in pool if not each.text and each.id not in state.withdrawn)
    if state.started is None or not ids:
        return None
    # Of the intakes that the journal knows: what came since, or joins now, is a fact of its own.
    number = read_withdrawn(folder).before.get(state.pool_fingerprint)
    behind = pool.fingerprints[: number or None]
    return TextsWithdrawn(now, ids, behind[-1])
