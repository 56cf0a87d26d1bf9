"""Owns SQL over Argilla's JSON columns, in the words of Argilla's database; must not run queries.

The two dialects behind it know their database's functions and nothing else does.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from argilla_server.settings import settings
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.sql.selectable import TableValuedAlias


class JsonDialect(Protocol):
    """What a database has to offer; the functions below say what each method means."""

    def values(self, column: Any, path: str) -> TableValuedAlias: ...

    def item(self, column: Any, key: str, path: str) -> ColumnElement[Any]: ...

    def number(self, rows: TableValuedAlias) -> ColumnElement[Any]: ...

    def text(self, rows: TableValuedAlias) -> ColumnElement[Any]: ...

    def by_code(self, text: Any) -> ColumnElement[Any]: ...

    def stored(self, text: str) -> str: ...


def _dialect_of_argilla() -> JsonDialect:
    if settings.database_is_postgresql:
        from loopd.embedded_argilla.search.json_postgresql import PostgresqlJson

        return PostgresqlJson()
    from loopd.embedded_argilla.search.json_sqlite import SqliteJson

    return SqliteJson()


# Argilla reads its own settings only once, too.
_DIALECT = _dialect_of_argilla()


def json_path(*keys: str) -> str:
    """Return the path to a nested key, quoted so that any name is safe."""
    return "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys)


def json_values(column: Any, *keys: str) -> TableValuedAlias:
    """Return the values at a path as rows: a scalar is one row, a list one row per item.

    A missing path is no row at all; a JSON null is a row whose value is no number and no text.
    """
    return _DIALECT.values(column, json_path(*keys))


def json_item(column: Any, key: str) -> ColumnElement[Any]:
    """Return what is at a key: text for a string, JSON text for a list or an object.

    Numbers and truth values are text in PostgreSQL, numbers in SQLite.
    """
    return _DIALECT.item(column, key, json_path(key))


def as_number(rows: TableValuedAlias) -> ColumnElement[Any]:
    """Return a row's number, also if written as text; NULL for anything else."""
    return _DIALECT.number(rows)


def as_text(rows: TableValuedAlias) -> ColumnElement[Any]:
    """Return a row's value as the text that a keyword index would hold."""
    return _DIALECT.text(rows)


def by_code(text: Any) -> ColumnElement[Any]:
    """Return a text that is compared and sorted by its characters' codes, as in no language."""
    return _DIALECT.by_code(text)


def stored(text: str) -> str:
    """Return a text as the functions above return it where it is stored."""
    return _DIALECT.stored(text)


def smallest_or_largest(
    rows: TableValuedAlias, value: ColumnElement[Any], largest: bool, *conditions: Any
) -> ColumnElement[Any]:
    """Return one value of the rows for sorting, as Elasticsearch does for multi-valued fields."""
    extreme = func.max(value) if largest else func.min(value)
    return select(extreme).select_from(rows).where(and_(True, *conditions)).scalar_subquery()
