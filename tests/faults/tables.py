"""A dataset as a whole, from Argilla's own tables: a look costs a few milliseconds.

The server is not asked, and goes on with its work. For embedded servers alone; what is seen is what
:mod:`tests.faults.whole` sees over the API.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PATIENCE = 60.0
"""Seconds that a write may wait for the server's."""

JSON_COLUMNS = frozenset(
    {"settings", "allowed_roles", "distribution", "metadata", "fields", "value", "score", "values"}
)

PARTS = {
    "fields": "fields",
    "questions": "questions",
    "metadata properties": "metadata_properties",
    "vectors' settings": "vectors_settings",
}
"""Tables of a dataset's settings, by what they hold."""


DATASET = """SELECT d.id FROM datasets d JOIN workspaces w ON w.id = d.workspace_id
    WHERE d.name = ? AND w.name = ?"""


def dataset_id(database: Path, name: str, workspace: str) -> str | None:
    """Of the dataset of this name, ``None`` where there is none."""
    with closing(sqlite3.connect(database)) as db:
        row = db.execute(DATASET, (name, workspace)).fetchone()
    return None if row is None else str(uuid.UUID(row[0]))


def settings(database: Path, id_: str) -> tuple[Json, dict[str, dict[str, Json]]]:
    """The dataset's own columns, and its parts by kind and name."""
    key = (uuid.UUID(id_).hex,)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("BEGIN")  # all of it at one and the same moment
        own = next(_rows(db, "SELECT * FROM datasets WHERE id = ?", key))
        parts = {kind: _named(db, table, key) for kind, table in PARTS.items()}
    return own, parts


def records(database: Path, id_: str) -> list[Json]:
    """Records as the API lists them, with suggestions, responses and vectors."""
    key = (uuid.UUID(id_).hex,)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("BEGIN")
        listed = list(_rows(db, f"SELECT r.* {OF_DATASET} ORDER BY r.inserted_at, r.id", key))
        hanging = {table: _by_record(db, table, key) for table in HANGING}
    for record in listed:
        parts = {table: rows.get(record["id"], []) for table, rows in hanging.items()}
        vectors = {row["name"]: row["value"] for row in parts["vectors"]}
        record |= {**parts, "vectors": vectors}
    return listed


def copy(database: Path, template: str, name: str) -> str:
    """Copy a dataset that has no records, whatever Argilla's columns are, and publish the copy.

    Args:
        database: Argilla's.
        template: id of the dataset, which is not published.
        name: of the copy.

    Returns:
        The copy's id.
    """
    new = uuid.uuid4().hex
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as db, db:
        _copy_rows(db, "datasets", "id", template, {"id": f"'{new}'", "name": f"'{name}'"})
        for table in PARTS.values():
            ids = {"id": "lower(hex(randomblob(16)))", "dataset_id": f"'{new}'"}
            _copy_rows(db, table, "dataset_id", template, ids)
        db.execute("UPDATE datasets SET status = 'ready' WHERE id = ?", (new,))
    return str(uuid.UUID(new))


def _copy_rows(
    db: sqlite3.Connection, table: str, key: str, template: str, changes: Mapping[str, str]
) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changes.get(column, f'"{column}"') for column in columns)
    query = f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {key} = ?"  # noqa: S608
    db.execute(query, (uuid.UUID(template).hex,))


def _named(db: sqlite3.Connection, table: str, key: Sequence[str]) -> dict[str, Json]:
    query = f"SELECT * FROM {table} WHERE dataset_id = ?"  # noqa: S608 - one of `PARTS`
    return {part["name"]: part for part in _rows(db, query, key)}


OF_DATASET = "FROM records r WHERE r.dataset_id = ?"

HANGING = {
    "suggestions": "SELECT h.* FROM suggestions h",
    "responses": "SELECT h.* FROM responses h",
    "vectors": "SELECT h.*, v.name FROM vectors h "
    "JOIN vectors_settings v ON v.id = h.vector_settings_id",
}
"""What hangs on a record."""


def _by_record(db: sqlite3.Connection, table: str, key: Sequence[str]) -> dict[str, list[Json]]:
    query = f"{HANGING[table]} WHERE h.record_id IN (SELECT r.id {OF_DATASET})"
    by_record: dict[str, list[Json]] = {}
    for row in _rows(db, query, key):
        by_record.setdefault(row["record_id"], []).append(row)
    return by_record


def _rows(db: sqlite3.Connection, query: str, key: Sequence[str]) -> Iterator[Json]:
    cursor = db.execute(query, key)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield {name: _decoded(name, value) for name, value in zip(names, row, strict=True)}


def _decoded(name: str, value: Any) -> Any:
    """A column as the API shows it."""
    if isinstance(value, str) and name in JSON_COLUMNS:  # SQLite keeps a bare number as one
        return json.loads(value)
    if value is not None and (name == "id" or name.endswith("_id")) and name != "external_id":
        return str(uuid.UUID(value))
    return value
