"""Argilla's database, brought to the newest schema; must not read its rows.

SQLite's is a file in the home; PostgreSQL's is looked at in ``postgresql``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from loopd.embedded_argilla.postgresql import applied_revisions, migrate_alone
from loopd.errors import ServerError
from loopd.printable import one_line


def prepare_database(path: Path) -> None:
    """Create or migrate the SQLite database at `path`, which Argilla's settings must name."""
    if path.exists() and not _has_users(path):
        # A server killed during its very first migration leaves tables that alembic would trip
        # over. Users are made after the migration, so a file without them holds nothing of value.
        remove_database(path)
    if not path.exists() or not _is_current(path):
        _migrate()
    _use_wal(path)
    path.chmod(0o600)


def prepare_postgresql(shown: str) -> None:
    """Create or migrate the tables in the PostgreSQL database of the environment.

    All in one transaction: a server that is killed meanwhile leaves things as they were.
    ServerError when a newer Argilla has used the database.
    """
    migrate_alone(lambda: _migrate_postgresql(shown))


def remove_database(path: Path) -> None:
    """Delete the SQLite database with its journals."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _migrate() -> None:
    from alembic import command

    command.upgrade(_alembic_config(), "head")


def _migrate_postgresql(shown: str) -> None:
    applied = asyncio.run(applied_revisions())
    scripts = _scripts()
    if applied - {script.revision for script in scripts.walk_revisions()}:
        raise ServerError(
            f"{shown} was last used by a newer Argilla, or is not Argilla's.",
            hint="Give a database of its own, or update argilla-server.",
        )
    if applied != set(scripts.get_heads()):
        _migrate_or_say_why(shown)


def _migrate_or_say_why(shown: str) -> None:
    from sqlalchemy.exc import DBAPIError

    try:
        _migrate()
    except DBAPIError as error:
        raise ServerError(
            f"{shown} cannot be brought to Argilla's newest schema: {one_line(str(error.orig))}",
            hint="Give a database of its own, with nothing else in it.",
        ) from None


def _alembic_config() -> Any:
    # Built without Argilla's alembic.ini, for with a file its env.py would reset all logging.
    import argilla_server
    from alembic.config import Config

    config = Config()
    scripts = Path(argilla_server.__file__).parent / "alembic"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def _scripts() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic_config())


def _is_current(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        applied = {row[0] for row in db.execute("SELECT version_num FROM alembic_version")}
    return applied == set(_scripts().get_heads())


def _has_users(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        try:
            return db.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError:
            return False


def _use_wal(path: Path) -> None:
    # Argilla has no setting for this, but the mode is a property of the file, so no connection of
    # Argilla's own has to be touched. `synchronous` stays at SQLite's FULL: an answer that an
    # annotator saw accepted survives a power cut. The busy timeout is Argilla's own setting.
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
