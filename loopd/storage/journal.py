"""Owns the append-only list of events on disk; must not interpret them.

One SQLite file in WAL mode with ``synchronous=FULL``: an event that ``append`` returned for
survives a power cut. Each row carries a digest over itself and the row before it, so that a
damaged journal is noticed instead of believed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from loopd.errors import JournalError, NewerError, StorageError
from loopd.events import Event
from loopd.gc_pause import no_garbage
from loopd.storage.codec import decode, encode
from loopd.storage.files import make_private, open_private, probe_private

VERSION, LAST_VERSION = 1, 255
"""The format, and what no later one will be: more is a damaged file."""
_SCHEMA = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    digest TEXT NOT NULL
)
"""
_OTHERS = ("sqlite_", "_litestream_")
"""How tables begin that are not ours: SQLite's own, and those of a tool that replicates."""
_COLUMNS = ["seq", "name", "payload", "digest"]
_DAMAGED = "restore it from a backup, or rebuild it from Argilla with `loopd recover`"
_FULL = "free some space, then start again: nothing is lost"


class Journal:
    """The events of one run.

    Args:
        path: the file; created when absent, unless ``read_only``.
        read_only: open without the right to append (for ``loopd status``). Where nobody has the
            journal open, nothing in its folder is changed, and no file is made beside it.

    Raises:
        JournalError: damaged; ``NewerError`` when a newer version wrote it.
        StorageError: the place cannot be written or the disk is full.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._last = (0, "")
        self._looks = read_only
        if not read_only:
            _refuse_widowed(path)
            _make_file(path)
        with ExitStack() as stack, _translated(path):
            self._db = _looking(path, stack) if read_only else _appending(path)
            stack.callback(self._close_db)
            _check_version(self._db, path)
            self._held = stack.pop_all()

    def _close_db(self) -> None:
        self._db.close()

    def append(self, event: Event) -> None:
        """Write one event durably: after the call it is there, whatever dies next."""
        name, payload = encode(event)
        seq, before = self._last
        digest = _digest(before, seq + 1, name, payload)
        with _translated(self.path):
            self._db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?)", (seq + 1, name, payload, digest)
            )
        self._last = (seq + 1, digest)

    def read(self) -> list[Event]:
        """All events in order; checks every digest on the way."""
        try:
            return self._read()
        except NewerError:
            raise
        except (JournalError, StorageError):
            if not self._looks or not _beside(self.path, "-wal").exists():
                raise
        self._db.close()  # a daemon may have opened it meanwhile
        with _translated(self.path):
            self._db, self._last = _connect(self.path, "mode=ro"), (0, "")
        return self._read()

    def _read(self) -> list[Event]:
        with _translated(self.path), no_garbage():
            rows = self._db.execute("SELECT seq, name, payload, digest FROM events ORDER BY seq")
            return [self._check(*row) for row in rows.fetchall()]

    def _check(self, seq: int, name: str, payload: str, digest: str) -> Event:
        if not isinstance(seq, int) or not all(
            isinstance(column, str) for column in (name, payload, digest)
        ):
            last = self._last[0]
            raise JournalError(f"the journal {self.path} is damaged after event {last}", _DAMAGED)
        last_seq, before = self._last if seq > 1 else (0, "")
        if seq != last_seq + 1 or digest != _digest(before, seq, name, payload):
            raise JournalError(f"the journal {self.path} is damaged at event {seq}", _DAMAGED)
        self._last = (seq, digest)
        return decode(name, payload)

    def rewrite(self, events: Sequence[Event]) -> None:
        """Put events in the place of all that there are, and leave no byte of those.

        Raises:
            JournalError, StorageError: as for ``append``; then all is as it was.
        """
        before = self._last
        with _translated(self.path):
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("DELETE FROM events")
                self._last = (0, "")
                for event in events:
                    self.append(event)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                self._last = before
                raise
        self.wipe()

    def wipe(self) -> None:
        """Leave no byte of what was written once and is not there any more."""
        with _translated(self.path):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def last(self) -> tuple[int, str]:
        """Number and digest of the last event that was read or appended."""
        return self._last

    def follow(self, last: tuple[int, str]) -> bool:
        """Go on behind that event without reading; whether it is the last one that is there."""
        with _translated(self.path):
            rows = self._db.execute("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1")
            if (rows.fetchone() or (0, "")) != last:
                return False
        self._last = last
        return True

    def close(self) -> None:
        """Release the file."""
        self._held.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def events_at(path: Path) -> list[Event]:
    """What a run would read there before it goes on; makes nothing.

    Raises:
        JournalError, StorageError: as opening the journal to append, and reading it.
    """
    try:
        probe_private(path)
    except OSError as error:
        raise _cannot_make(path, error) from error
    if is_blank(path):
        return []
    with Journal(path, read_only=True) as journal:
        return journal.read()


def is_blank(path: Path) -> bool:
    """Whether a run would begin a new journal there, or is just beginning one.

    Raises:
        JournalError: events lie beside a journal that is not there, or it cannot be read.
    """
    _refuse_widowed(path)
    if not path.exists() or not path.stat().st_size:
        return True
    with ExitStack() as stack, _translated(path):
        db = _looking(path, stack)
        stack.callback(db.close)
        return not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _refuse_widowed(path: Path) -> None:
    """Refuse to begin a journal where the newest events of one lie that was moved away."""
    real = path.resolve()  # SQLite's other files lie beside what a link leads to
    if real.exists() and real.stat().st_size:
        return
    left = _beside(real, "-wal")
    if left.exists() and left.stat().st_size:
        raise JournalError(
            f"the journal {path} is not there, and {left.name} beside it holds events of it",
            f"put it back beside {left.name}; or move away whatever begins with {real.name}, then "
            "use `loopd recover`, or begin anew",
        )


def _digest(before: str, seq: int, name: str, payload: str) -> str:
    text = "\n".join((before, str(seq), name, payload))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _make_file(path: Path) -> None:
    """An empty file for its owner alone, where there is none: SQLite's other files follow it."""
    try:
        make_private(path.parent)
        os.close(open_private(path))
    except OSError as error:
        raise _cannot_make(path, error) from error


def _cannot_make(path: Path, error: OSError) -> StorageError:
    hint = "make its folder writable, or name another one in run.dir"
    return StorageError(f"cannot make {path}: {error.strerror}", hint)


def _appending(path: Path) -> sqlite3.Connection:
    with ExitStack() as stack:
        db = _connect(path, "mode=rwc")
        stack.callback(db.close)  # where it cannot be used
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _create(db)
        stack.pop_all()
    return db


def _looking(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """A connection that leaves files at rest as they are, also those that a killed daemon left.

    What it needs besides is removed with the stack.
    """
    path = path.resolve()  # SQLite's other files lie beside what a link leads to
    if not _beside(path, "-wal").exists():
        return _connect(path, "mode=ro&immutable=1")
    if not _beside(path, "-shm").exists():
        before, copy = _seen(path), _copied(path, stack)
        if _seen(path) != before:  # a daemon has come, or gone, meanwhile
            return _looking(path, stack)
        return _connect(copy, "mode=ro")
    db = _connect(path, "mode=ro&readonly_shm=1")
    try:
        db.execute("PRAGMA schema_version")
        return db
    except sqlite3.OperationalError:  # somebody has it open
        db.close()
    return _connect(path, "mode=ro")


def _copied(path: Path, stack: ExitStack) -> Path:
    """A journal at rest without its third file, which SQLite would make, elsewhere."""
    try:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loopd-")))
    except OSError as error:
        raise _no_copy(error) from error
    for file in (path, _beside(path, "-wal")):
        try:
            shutil.copyfile(file, folder / file.name)
        except FileNotFoundError:  # a daemon has just come to its end
            continue
        except OSError as error:
            raise _no_copy(error) from error
    return folder / path.name


def _seen(path: Path) -> list[tuple[int, int] | None]:
    """Size and time of the three files of a journal; ``None`` for one that is not there."""
    files = (path, _beside(path, "-wal"), _beside(path, "-shm"))
    stats = [file.stat() if file.exists() else None for file in files]
    return [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats]


def _no_copy(error: OSError) -> StorageError:
    return StorageError(
        f"cannot copy a journal at rest, to read it, into {tempfile.gettempdir()}: "
        f"{error.strerror or error}",
        "make room there, or set TMPDIR to a folder with room",
    )


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    db.execute("PRAGMA busy_timeout=10000")
    return db


def _create(db: sqlite3.Connection) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return
    db.execute("BEGIN IMMEDIATE")
    db.execute(_SCHEMA)
    db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > LAST_VERSION:
        raise JournalError(f"the journal {path} is damaged: no format is {version}", _DAMAGED)
    if version > VERSION:
        raise NewerError(f"a newer loopd wrote {path}: its format is {version}")
    if version < 1:
        raise JournalError(f"{path} is not a loopd journal", "choose another run.dir")
    if names := _new_names(db):
        raise NewerError(f"a newer loopd wrote {path}: it has {', '.join(names)}")
    if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise JournalError(f"the journal {path} is damaged", _DAMAGED)


def _new_names(db: sqlite3.Connection) -> list[str]:
    """What the database has besides our one table and its columns."""
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    columns = db.execute("SELECT name FROM pragma_table_info('events')")
    return [
        *(
            f"the table {name!a}"
            for (name,) in tables
            if name != "events" and not name.startswith(_OTHERS)
        ),
        *(f"the column {name!a}" for (name,) in columns if name not in _COLUMNS),
    ]


class _translated:  # noqa: N801 - reads as a word: `with _translated(path):`
    """Turns SQLite's errors into loopd's own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        # sqlite3 describes damage in text that may be damaged itself.
        if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
            raise _journal_error(self._path, error) from error


def _journal_error(path: Path, error: Exception) -> JournalError | StorageError:
    text = str(error)
    if isinstance(error, UnicodeDecodeError) or text.startswith("Could not decode"):
        # What SQLite says of it quotes the row, whose words say nothing about the error.
        return JournalError(f"cannot read the journal {path}: a row is no UTF-8 text", _DAMAGED)
    if "locked" in text:
        return StorageError(f"the journal {path} is locked", "close what has it open")
    if any(word in text for word in ("full", "disk I/O", "readonly", "unable to open")):
        return StorageError(f"cannot write the journal {path}: {text}", _FULL)
    return JournalError(f"cannot read the journal {path}: {text}", _DAMAGED)
