"""The searchable text of records: which columns to read, and how to narrow them down in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from argilla_server.enums import FieldType
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Record
from argilla_server.search_engine.base import TextQuery
from sqlalchemy import ColumnElement, and_, or_, true

from loopd.embedded_argilla.search.json_sql import json_item
from loopd.embedded_argilla.search.schema import DatasetSchema
from loopd.embedded_argilla.search.text_match import FieldText, field_text, keyword_text, matches
from loopd.embedded_argilla.search.text_query import Group, Prefix, Step, Words, parse

_MOST_CONDITIONS = 20


@dataclass(frozen=True, slots=True)
class TextSearch:
    """A text query against some fields of a dataset; `query` None matches nothing."""

    query: Group | None
    fields: tuple[tuple[str, FieldType], ...]

    def columns(self) -> list[ColumnElement[Any]]:
        """Return what `keep` needs of each record: these fields only, never an image's data."""
        return [json_item(Record.fields, name).label(f"text_{name}") for name, _ in self.fields]

    def narrowing(self) -> ColumnElement[bool]:
        """Return a cheap condition that every match meets, so that fewer rows are looked at."""
        if self.query is None or any(kind == FieldType.custom for _, kind in self.fields):
            return true()
        operators = {step.operator for step in self.query.steps[1:]}
        conditions = [self._occurs(step) for step in self.query.steps[:_MOST_CONDITIONS]]
        if operators == {"or"} and len(self.query.steps) <= _MOST_CONDITIONS:
            return or_(*conditions)
        return and_(true(), *conditions) if "or" not in operators else true()

    def keep(self, rows: Iterable[Sequence[Any]]) -> list[UUID]:
        """Return the ids of the rows (id, then `columns`) that match, in the same order."""
        query = self.query
        if query is None:
            return []
        return [row[0] for row in rows if matches(query, self._texts(row[1:]))]

    def _texts(self, values: Sequence[Any]) -> list[FieldText]:
        return [
            text
            for (_, kind), value in zip(self.fields, values, strict=True)
            if value is not None
            for text in _field_texts(kind, value)
        ]

    def _occurs(self, step: Step) -> ColumnElement[bool]:
        """Return that the step's words occur, in any form; true when SQL could miss one."""
        literals = _literals(step)
        if not literals:
            return true()
        columns = self.columns()
        return and_(
            *(
                or_(*(column.icontains(literal, autoescape=True) for column in columns))
                for literal in literals
            )
        )


def text_search(query: TextQuery | str, schema: DatasetSchema) -> TextSearch:
    """Return the search for a query; UnprocessableEntityError when it names an unknown field."""
    parsed = TextQuery(q=query) if isinstance(query, str) else query
    if parsed.field and parsed.field not in schema.fields:
        raise UnprocessableEntityError(f"Field {parsed.field!r} not found in dataset {schema.id}.")
    names = [parsed.field] if parsed.field else list(schema.fields)
    fields = [(name, schema.fields[name]) for name in names]
    return TextSearch(
        parse(parsed.q), tuple((name, kind) for name, kind in fields if kind != FieldType.image)
    )


def _literals(step: Step) -> list[str]:
    # SQLite ignores case for ASCII only, so other words are left to Python.
    part = step.part
    if step.negated or (isinstance(part, Words) and part.edits) or isinstance(part, Group):
        return []
    words = (part.start,) if isinstance(part, Prefix) else part.words
    return [word for word in words if word and word.isascii() and word.isalnum()]


def _field_texts(kind: FieldType, value: Any) -> list[FieldText]:
    if kind == FieldType.chat:
        messages = [message for message in json.loads(value) if isinstance(message, dict)]
        return [
            field_text(str(each.get("content", "")) for each in messages),
            keyword_text(str(each.get("role", "")) for each in messages),
        ]
    if kind == FieldType.custom:
        return [field_text([_custom_text(value)])]
    return [field_text([str(value)])]


def _custom_text(value: Any) -> str:
    """Return the text Argilla indexes for a custom field: Python's form of its JSON value."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return str(value)
