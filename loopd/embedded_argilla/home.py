"""The server's home folder: its file names, its permissions and its lock; must not know Argilla."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from loopd.errors import ServerError
from loopd.printable import printable
from loopd.storage.files import write_atomic

LOOKS = (0.0, 0.05, 0.1, 0.2)
"""Seconds before each try to take the lock."""

# Argilla puts the path into a SQLAlchemy URL, and alembic into an ini file: these would be syntax.
_UNUSABLE_IN_PATHS = frozenset("%?#\n")


@dataclass(frozen=True, slots=True)
class ServerHome:
    """The files under one home folder; `path` is absolute."""

    path: Path

    @property
    def accounts(self) -> Path:
        return self.path / "accounts.json"

    @property
    def annotators(self) -> Path:
        return self.path / "annotators.json"

    @property
    def auth_secret(self) -> Path:
        return self.path / "auth_secret"

    @property
    def database(self) -> Path:
        return self.path / "argilla.db"

    @property
    def elsewhere(self) -> Path:
        """Names the PostgreSQL database that has this home's data."""
        return self.path / "database"

    @property
    def info(self) -> Path:
        return self.path / "server.json"

    @property
    def lock(self) -> Path:
        return self.path / "server.lock"

    @property
    def launching(self) -> Path:
        """Locked by the `loopd start` that brings the server up."""
        return self.path / "launch.lock"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def left(self) -> Path:
        """Names the process of a server that goes on for others than started it."""
        return self.path / "left.pid"

    @property
    def tenants(self) -> Path:
        """Locked, together, by every `loopd start` that works with the server."""
        return self.path / "tenants.lock"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    def write_info(self, url: str) -> None:
        """Tell others on this machine where the server is; written only when it answers."""
        write_atomic(self.info, json.dumps({"url": url, "pid": os.getpid()}) + "\n", mode=0o600)

    def clear_temporary(self) -> None:
        """Empty the temporary folder, which also removes what a killed server left there."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)


def open_home(path: Path) -> ServerHome:
    """Create the folder if needed and close it to other users; ServerError if it cannot be used."""
    path = path.expanduser().absolute()
    bad = sorted(_UNUSABLE_IN_PATHS & set(str(path)))
    if bad:
        raise ServerError(
            f"The server's home {path} has {bad[0]!r} in its path.",
            hint="Choose a folder without any of % ? # in its path.",
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ServerError(
            f"The server's home {path} cannot be written: {error.strerror}.",
            hint="Choose another folder with --home, or mend its permissions.",
        ) from error
    return ServerHome(path)


def is_locked(home: ServerHome) -> bool:
    """Whether a server works in this home, or is about to.

    Raises:
        ServerError: the home cannot be read.
    """
    try:
        with home.lock.open("r") as lock:
            # Shared: two that look at once do not take each other for a server.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable(home.path, error) from error


def running_url(home: ServerHome) -> str | None:
    """Where the server of this home answers; ``None`` where none runs, or it is not ready yet."""
    if not is_locked(home):
        return None
    try:
        return str(json.loads(home.info.read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unusable(path: Path, error: OSError) -> ServerError:
    """The refusal of a home in which something cannot be read or written."""
    return ServerError(
        f"The server's home {path} cannot be used: {error.strerror or error}.",
        hint="Mend its permissions, or choose another folder.",
    )


def check_database_named(home: ServerHome, shown: str | None) -> None:
    """Raise ServerError when the home's data are in PostgreSQL and the address is missing.

    Else a forgotten option would start an empty Argilla that looks as if everything were lost.
    """
    if shown is None and home.elsewhere.exists():
        before = printable(home.elsewhere.read_text(encoding="utf-8").strip())
        raise ServerError(
            f"The data of {home.path} are in {before}, and no --database is given.",
            hint=f"Give --database again, or another --home; {home.elsewhere} says where they are.",
        )


def remember_database(home: ServerHome, shown: str) -> None:
    """Keep the address of the database, without a password."""
    write_atomic(home.elsewhere, shown + "\n", mode=0o600)


@contextmanager
def locked(home: ServerHome) -> Iterator[None]:
    """Hold the home for one server; the system frees it when the process dies, however it dies."""
    with home.lock.open("a+") as lock:
        if not any(_taken(lock, wait) for wait in LOOKS):
            raise ServerError(
                f"Another server is running on {home.path}.",
                hint="Use that one (its address is in server.json), or give another --home.",
            )
        yield


def _taken(lock: IO[str], wait: float) -> bool:
    """Take the lock; whoever only looks at it holds it for a moment, so that a wait may help."""
    time.sleep(wait)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
