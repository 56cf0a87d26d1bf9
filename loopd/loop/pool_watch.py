"""Owns when new texts join the pool, and how: the file of an intake first, then the fact.

Whatever is interrupted between the two is done again, and nothing of it is left: the next intake
has the same number. Must not choose or train anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loopd import log
from loopd.config import Config
from loopd.data.arrivals import arrivals
from loopd.data.pool import Pool
from loopd.errors import StorageError
from loopd.events import AnswersCollected, PoolGrew
from loopd.loop.followed_files import Delivery, FollowedFiles
from loopd.loop.large_pool import grown
from loopd.loop.warm_start import imported
from loopd.machine import Phase, State
from loopd.records import PoolId
from loopd.storage.inbox import Inbox, Parcel
from loopd.storage.withdrawn_texts import read_withdrawn
from loopd.tasks.registry import build_task

JOINS_IN = (Phase.SEED, Phase.COLLECT, Phase.TRAIN)
"""When texts may join: not between training and choosing, or a model would be trained twice."""

SHOWN = 3
"""Ids that a sentence lists."""


@dataclass
class PoolWatch:
    """Looks for new texts.

    Attributes:
        config: of the run.
        monotonic, wall: clocks in seconds.
        pool: the larger pool, after :meth:`look` has returned a ``PoolGrew``.
        waits_in: the state in which nothing is left to ask; ``None`` before there is one.
    """

    config: Config
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    pool: Pool = field(default_factory=lambda: Pool(()))
    waits_in: State | None = None
    _pending: Delivery | None = None
    _answers_due: bool = True
    _unreadable: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._files = FollowedFiles(self.config, self.monotonic)

    def look(self, state: State, pool: Pool) -> PoolGrew | AnswersCollected | None:
        """What is new by now, as the next event; ``None`` for nothing.

        Args:
            state: what the journal says.
            pool: the texts of the run.

        Raises:
            StorageError: the run's folder cannot be read or written.
        """
        self.settle(state)
        if state.phase not in JOINS_IN and self.waits_in is not state:
            return None
        return self._answers(state, pool) or self.added(pool) or self._followed(pool)

    @property
    def is_following(self) -> bool:
        """Whether it looks again and again."""
        return self.config.pool.pace is not None

    def wait_in(self, state: State) -> None:
        """There is nothing to ask in this state until texts join."""
        self.waits_in = state
        log.get("loop").info("waits_for_texts", hint="every text of the pool was asked")

    def take(self, delivery: Delivery, pool: Pool) -> PoolGrew | None:
        """Keep what is new of a delivery as the next intake; ``None`` where nothing is.

        Raises:
            StorageError: it cannot be written.
        """
        known = read_withdrawn(self.config.run.dir)
        found = arrivals(pool, (one for one in delivery.records if not known.holds(one.text)))
        refused = delivery.refused + max(0, len(found.clashing) - delivery.clashing)
        if refused:
            _say_clashes(found.clashing, delivery.source)
        if not found.new:
            delivery.done()
            return None
        self.pool = grown(self.config, pool, found.new, delivery.source)
        self._pending, self._answers_due = delivery, True
        return PoolGrew(
            self.wall(),
            delivery.source,
            Pool(found.new).fingerprint,
            self.pool.fingerprint,
            len(pool),
            len(found.new),
            delivery.duplicates + found.duplicates - delivery.counted,
            refused,
        )

    def settle(self, state: State) -> None:
        """Finish what the journal has the fact of."""
        pending, self._pending = self._pending, None
        if pending is not None and state.pool_fingerprint == self.pool.fingerprint:
            pending.done()

    def _answers(self, state: State, pool: Pool) -> AnswersCollected | None:
        """Answers that came with texts that have joined."""
        if not self._answers_due or state.phase is Phase.SEED:  # it takes them over by itself
            return None
        self._answers_due = False
        later = [pool.records[at] for at in pool.answered if at >= pool.ends[0]]
        task = build_task(self.config.task)
        return imported(state, Pool(tuple(later)), task, self.wall()) if later else None

    # -- what `loopd add` has left -----------------------------------------------------------------

    def added(self, pool: Pool) -> PoolGrew | None:
        """What lies in the inbox, as the next intake; see :meth:`take`."""
        inbox = Inbox(self.config.run.dir)
        while (taken := self._parcel(inbox)) is not None:
            counts = taken.duplicates, taken.refused
            done = partial(inbox.take_out, taken)
            event = self.take(Delivery(taken.records, taken.source, *counts, done=done), pool)
            if event is not None:
                return event
            log.get("data").info("nothing_new", source=taken.source, rows=len(taken.records))
        return None

    def _parcel(self, inbox: Inbox) -> Parcel | None:
        """What has waited longest, but for what cannot be read: that is said once, and stays."""
        for path in inbox.waiting():
            if path in self._unreadable:
                continue
            try:
                return inbox.read(path)
            except StorageError as error:
                self._unreadable.add(path)
                log.get("data").warning(
                    "addition_left_out",
                    problem=error.message,
                    hint="let loopd's account read the file and start again, or remove it and add "
                    "the table once more",
                )
        return None

    def _followed(self, pool: Pool) -> PoolGrew | None:
        delivery = self._files.look(pool)
        return None if delivery is None else self.take(delivery, pool)


def _say_clashes(clashing: Sequence[PoolId], source: str) -> None:
    if clashing:
        log.get("data").warning(
            "rows_left_out",
            source=source,
            count=len(clashing),
            records=list(clashing[:SHOWN]),
            hint="their ids stand for other texts in the pool: the run keeps to what it has read",
        )
