"""SQL over Argilla's JSON columns, the only place that knows SQLite's JSON functions."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Float, Text, and_, case, cast, func, select
from sqlalchemy.sql.selectable import TableValuedAlias


def json_path(*keys: str) -> str:
    """Return the path to a nested key, quoted so that any name is safe."""
    return "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys)


def json_values(column: Any, *keys: str) -> TableValuedAlias:
    """Return the values at a path as rows: a scalar is one row, a list one row per item.

    A missing path is no row at all; a JSON null is a row whose value is NULL.
    """
    path = json_path(*keys)
    return func.json_each(column, path).table_valued("value", "type", name="item")


def json_item(column: Any, *keys: str) -> ColumnElement[Any]:
    """Return what is at a path: text for a string, a number, or JSON text for a list or object."""
    return func.json_extract(column, json_path(*keys))


def as_number(rows: TableValuedAlias) -> ColumnElement[Any]:
    """Return a row's number, also if written as text; NULL for anything else."""
    numeric_text = rows.c.type == "text", rows.c.value.op("NOT GLOB")("*[^-+.eE0-9]*")
    return case(
        (rows.c.type.in_(["integer", "real"]), cast(rows.c.value, Float)),
        (and_(*numeric_text, rows.c.value != ""), cast(rows.c.value, Float)),
    )


def as_text(rows: TableValuedAlias) -> ColumnElement[Any]:
    """Return a row's value as the text that a keyword index would hold."""
    return case(
        (rows.c.type == "true", "true"),
        (rows.c.type == "false", "false"),
        (rows.c.type.in_(["object", "array"]), None),
        else_=cast(rows.c.value, Text),
    )


def smallest_or_largest(
    rows: TableValuedAlias, value: ColumnElement[Any], largest: bool, *conditions: Any
) -> ColumnElement[Any]:
    """Return one value of the rows for sorting, as Elasticsearch does for multi-valued fields."""
    chosen = func.max(value) if largest else func.min(value)
    return select(chosen).select_from(rows).where(and_(True, *conditions)).scalar_subquery()
