"""Argilla's SQLite file: brought to the newest schema and into WAL mode; must not read its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def prepare_database(path: Path) -> None:
    """Create or migrate the database at `path`, which must be the one Argilla's settings name."""
    if path.exists() and not _has_users(path):
        # A server killed during its very first migration leaves tables that alembic would trip
        # over. Users are made after the migration, so a file without them holds nothing of value.
        remove_database(path)
    if not path.exists() or not _is_current(path):
        _migrate()
    _use_wal(path)


def remove_database(path: Path) -> None:
    """Delete the database file with its journals."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _migrate() -> None:
    from alembic import command

    command.upgrade(_alembic_config(), "head")


def _alembic_config() -> Any:
    # Built without Argilla's alembic.ini, for with a file its env.py would reset all logging.
    import argilla_server
    from alembic.config import Config

    config = Config()
    scripts = Path(argilla_server.__file__).parent / "alembic"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def _is_current(path: Path) -> bool:
    from alembic.script import ScriptDirectory

    with closing(sqlite3.connect(path)) as db:
        applied = {row[0] for row in db.execute("SELECT version_num FROM alembic_version")}
    return applied == set(ScriptDirectory.from_config(_alembic_config()).get_heads())


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
