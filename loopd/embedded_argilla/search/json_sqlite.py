"""Owns the JSON functions of SQLite; must not know Argilla."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Float, Text, and_, case, cast, func
from sqlalchemy.sql.selectable import TableValuedAlias


class SqliteJson:
    """SQLite's dialect of :mod:`loopd.embedded_argilla.search.json_sql`."""

    def values(self, column: Any, path: str) -> TableValuedAlias:
        return func.json_each(column, path).table_valued("value", "type", name="item")

    def item(self, column: Any, key: str, path: str) -> ColumnElement[Any]:  # noqa: ARG002
        return func.json_extract(column, path)

    def number(self, rows: TableValuedAlias) -> ColumnElement[Any]:
        numeric_text = rows.c.type == "text", rows.c.value.op("NOT GLOB")("*[^-+.eE0-9]*")
        return case(
            (rows.c.type.in_(["integer", "real"]), cast(rows.c.value, Float)),
            (and_(*numeric_text, rows.c.value != ""), cast(rows.c.value, Float)),
        )

    def text(self, rows: TableValuedAlias) -> ColumnElement[Any]:
        return case(
            (rows.c.type == "true", "true"),
            (rows.c.type == "false", "false"),
            (rows.c.type.in_(["object", "array"]), None),
            else_=cast(rows.c.value, Text),
        )

    def by_code(self, text: Any) -> ColumnElement[Any]:
        return text  # type: ignore[no-any-return]

    def stored(self, text: str) -> str:
        return text
