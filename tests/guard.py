"""Owns the guard in a test server's database, which sees what others lose; must not change loopd's.

Its triggers (``guard.sql``) see every change of every client, whoever forgets to look. Where a
dataset is published they put records of other people into it, and on each record of a run a note of
somebody else. What has been there and is replaced or gone is written down, with what it was, at the
very moment.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loopd.embedded_argilla.embedded import EmbeddedServer

MARK = "loopd_run"
"""Metadata of every record of a run."""

NAMES = frozenset(
    {
        "batch_id",
        "round",
        "strategy",
        "score",
        "priority",
        "model_id",
        "second_opinion_of",
        "origin",
        "chosen_because",
        "loopd_made_by",
        "loopd_queue",
        MARK,
    }
)
"""Metadata of loopd."""

PREFIX = "loopd_"
"""Stands before a name of loopd's that others had taken."""

AGENT = "loopd:"
"""How the agent of loopd's suggestions begins."""

NOTE = ("noted by", "a guest")
"""Metadata that somebody adds to each record of a run as soon as it is there."""

OURS = NAMES | {PREFIX + name.removeprefix(PREFIX) for name in NAMES}
"""All names that metadata of loopd's may have."""

DATABASE = "argilla.db"
SCRIPT = Path(__file__).with_name("guard.sql")
LOSSES = """SELECT id, what FROM guard_losses WHERE id > ?
    AND (dataset_id IS NULL OR dataset_id IN (SELECT id FROM datasets)) ORDER BY id"""

ENDINGS = ("", "-wal", "-journal")
"""Of the names of a database's files."""

Stamp = tuple[tuple[int, int, int], ...]

RACY = 100_000_000
"""Nanoseconds after which another write gives a file another time."""

PATIENCE = 60.0
"""Seconds that a write may wait for the server's."""


@dataclass
class Guard:
    """The log of what was lost on one server.

    Args:
        database: Argilla's; the server may run or not. ``None``: there is no guard, which is said
            by all that follows in the way of one who has seen nothing.
    """

    database: Path | None = None
    _seen: int = 0
    _forgiven: set[int] = field(default_factory=set)
    _mode: bool | None = None
    _looked: Stamp = ()

    def set_up(self) -> Guard:
        """Put the triggers into the database, once."""
        script = SCRIPT.read_text(encoding="utf-8")
        with self._connected() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'guard_mode'").fetchone():
                db.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")
                with db:
                    db.executemany("INSERT INTO guard_ours VALUES (?)", [(name,) for name in OURS])
        return self

    def set_mode(self, *, guests: bool) -> None:
        """Whether datasets that are published from now on get guests."""
        if guests is not self._mode:
            with self._connected() as db, db:
                db.execute("UPDATE guard_mode SET guests = ?", (guests,))
            self._mode = guests

    @property
    def plants(self) -> bool:
        """Whether datasets that are published now get guests."""
        if self.database is None:
            return False
        with self._connected() as db:
            return bool(db.execute("SELECT guests FROM guard_mode").fetchone()[0])

    def last(self) -> int:
        """The number of the last loss that is written down; 0 while there is none."""
        if self.database is None:
            return 0
        with self._connected() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM guard_losses").fetchone()[0])

    @contextmanager
    def own_hand(self) -> Iterator[None]:
        """What is lost meanwhile is the test's own doing."""
        last = self.last()
        try:
            yield
        finally:
            self._forgiven.update(range(last + 1, self.last() + 1))

    def forgive(self, record: str, names: Collection[str], since: int) -> int:
        """What was lost of a record's metadata since a deed whose doer has looked after it.

        Args:
            record: its external id, or its own where it has none.
            names: of the metadata.
            since: what :meth:`last` said at the deed.

        Returns:
            How often something was lost that was not forgiven yet.
        """
        starts = tuple(f"record {record}: metadata `{name}` was " for name in names)
        lost = {id_ for id_, what in self._unseen() if id_ > since and what.startswith(starts)}
        lost -= self._forgiven
        self._forgiven |= lost
        return len(lost)

    def losses(self) -> list[str]:
        """What was lost since the last look, one line each; of datasets that are still there."""
        stamp = self._stamp()
        if self.database is None or (stamp and stamp == self._looked):
            return []
        self._looked = stamp
        lines = [what for id_, what in self._unseen() if id_ not in self._forgiven]
        self._seen = self.last()
        self._forgiven.clear()
        return lines

    def _unseen(self) -> list[tuple[int, str]]:
        if self.database is None:
            return []
        with self._connected() as db:
            return db.execute(LOSSES, (self._seen,)).fetchall()

    def _stamp(self) -> Stamp:
        """What the files of the database look like; empty while one may be written this moment."""
        there = [Path(f"{self.database}{ending}") for ending in ENDINGS]
        looks = [path.stat() for path in there if path.exists()]
        times = [look.st_mtime_ns for look in looks]
        if not times or time.time_ns() - max(times) < RACY:
            return ()
        return tuple((look.st_ino, look.st_size, look.st_mtime_ns) for look in looks)

    def _connected(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(str(self.database), timeout=PATIENCE))


def losses_below(folder: Path) -> list[str]:
    """What was lost on the servers of a command that has ended, whose homes are somewhere below.

    Raises:
        sqlite3.OperationalError: one of them had no guard.
    """
    return [line for path in sorted(folder.rglob(DATABASE)) for line in Guard(path).losses()]


@dataclass
class Guards:
    """The guards of all servers that this process has started, one for each database.

    Attributes:
        guests: whether datasets that are published from now on get guests.
    """

    guests: bool = True
    _guards: dict[Path, Guard] = field(default_factory=dict)

    def of(self, server: object) -> Guard:
        """That of a server that runs; one without a database where it is none of the embedded."""
        if type(server) is not EmbeddedServer or not (server.home / DATABASE).exists():
            return Guard()
        if server.home not in self._guards:
            self._guards[server.home] = Guard(server.home / DATABASE).set_up()
            self._guards[server.home].set_mode(guests=self.guests)
        return self._guards[server.home]

    def expect(self, *, guests: bool) -> None:
        """A test begins."""
        self.guests = guests
        for guard in self._guards.values():
            guard.set_mode(guests=guests)

    def losses(self) -> list[str]:
        """A test has ended: what was lost by it, and no more of servers that have ended with it."""
        there = {home: guard for home, guard in self._guards.items() if (home / DATABASE).exists()}
        lines = [line for guard in there.values() for line in guard.losses()]
        self._guards = {h: guard for h, guard in there.items() if (h / "server.json").exists()}
        return lines

    def attend(self) -> None:
        """From now on no embedded server is started by this process without a guard."""
        start = EmbeddedServer.start

        def guarded(server: EmbeddedServer) -> EmbeddedServer:
            started = start(server)
            self.of(server)
            return started

        EmbeddedServer.start = guarded  # type: ignore[assignment,method-assign]


GUARDS = Guards()
"""Those of this process."""
