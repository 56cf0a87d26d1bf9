"""Owns the JSON functions of PostgreSQL (12 or later); must not know Argilla.

Argilla's columns are of type `json`, which keeps the text as it was sent. PostgreSQL cannot turn
the escape of the character NUL into text and fails on the whole query instead, so that one record
could take the search from everybody: the escape is replaced wherever a value is read.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Numeric,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, JSONPATH
from sqlalchemy.sql.selectable import TableValuedAlias

_NUL = r"\u0000"
# An even number of backslashes before it: else the backslash of the escape is itself escaped.
_NUL_PATTERN = r"(?<!\\)((?:\\\\)*)\\u0000"
_NUL_INSTEAD = r"\1\\ufffd"
_NUMBER_PATTERN = r"^[-+]?[0-9]{1,15}(\.[0-9]{0,15})?([eE][-+]?[0-9]{1,2})?$"
_LARGEST = "1.7976931348623157e308"


class PostgresqlJson:
    """PostgreSQL's dialect of :mod:`loopd.embedded_argilla.search.json_sql`."""

    def values(self, source: Any, path: str) -> TableValuedAlias:
        # `[*]` takes a scalar as a list of one, and nothing as no list.
        items = func.jsonb_path_query(cast(_readable(source), JSONB), cast(path + "[*]", JSONPATH))
        return items.table_valued(column("value", JSONB), name="item").render_derived()

    def item(self, source: Any, key: str, path: str) -> ColumnElement[Any]:  # noqa: ARG002
        # `jsonb` would sort an object's keys.
        return self.by_code(cast(_readable(source), JSON).op("->>", return_type=Text())(key))

    def number(self, rows: TableValuedAlias) -> ColumnElement[Any]:
        kind, text = func.jsonb_typeof(rows.c.value), _scalar_text(rows)
        # JSON knows numbers that are no double: to cast one would be an error, not a NULL.
        fits = func.abs(cast(text, Numeric)) <= literal_column(_LARGEST)
        return case(
            (kind == "number", case((fits, cast(text, Double)))),
            (and_(kind == "string", text.op("~")(_NUMBER_PATTERN)), cast(text, Double)),
        )

    def text(self, rows: TableValuedAlias) -> ColumnElement[Any]:
        nested = func.jsonb_typeof(rows.c.value).in_(["object", "array"])
        return self.by_code(case((nested, None), else_=_scalar_text(rows)))

    def by_code(self, text: Any) -> ColumnElement[Any]:
        return text.collate("C")  # type: ignore[no-any-return]

    def stored(self, text: str) -> str:
        return text.replace("\x00", "\ufffd")


def _scalar_text(rows: TableValuedAlias) -> ColumnElement[Any]:
    return rows.c.value.op("#>>", return_type=Text())(literal_column("'{}'"))


def _readable(source: Any) -> ColumnElement[Any]:
    text = cast(source, Text)
    mended = func.regexp_replace(text, _NUL_PATTERN, _NUL_INSTEAD, "g")
    return case((func.strpos(text, _NUL) > 0, mended), else_=text)
