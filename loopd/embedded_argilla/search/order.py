"""Argilla's sort orders as SQL, and the order when none is asked for; must not run queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from argilla_server.enums import MetadataPropertyType, SortOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Record, Response, Suggestion
from argilla_server.search_engine.base import (
    FilterScope,
    MetadataFilterScope,
    Order,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
)
from sqlalchemy import ColumnElement, String, and_, cast, func, null, select
from sqlalchemy.sql.selectable import TableValuedAlias

from loopd.embedded_argilla.search.json_sql import (
    as_number,
    as_text,
    by_code,
    json_values,
    smallest_or_largest,
)
from loopd.embedded_argilla.search.schema import DatasetSchema, QuestionInfo

PRIORITY_METADATA = re.compile(r"loopd\d*_priority|priority")
"""Metadata properties in which a loop keeps informativeness: higher comes first.

The longer name is in use where people have a ``priority`` of their own.
"""

_NUMBERS = frozenset({MetadataPropertyType.integer, MetadataPropertyType.float})
_RECORD_COLUMNS: dict[str, Any] = {
    "id": Record.id,
    "external_id": by_code(Record.external_id),
    "inserted_at": Record.inserted_at,
    "updated_at": Record.updated_at,
    "status": by_code(cast(Record.status, String)),
}

OrderBy = list[ColumnElement[Any]]


def order_by(sort: Sequence[Order] | None, schema: DatasetSchema) -> OrderBy:
    """Return the ORDER BY expressions: those asked for, else the most informative record first.

    Missing values come last in either direction, and ties fall back to the order of insertion, so
    that pages never overlap.
    """
    ordering = [_ordered(order, schema) for order in sort] if sort else _by_priority(schema)
    return [*ordering, Record.inserted_at.asc(), Record.id.asc()]


def _by_priority(schema: DatasetSchema) -> OrderBy:
    names = filter(PRIORITY_METADATA.fullmatch, schema.metadata)
    numbers = [name for name in names if schema.metadata[name] in _NUMBERS]
    if not numbers:
        return []
    scope = MetadataFilterScope(metadata_property=max(numbers, key=len))
    return [_ordered(Order(scope=scope, order=SortOrder.desc), schema)]


def _ordered(order: Order, schema: DatasetSchema) -> ColumnElement[Any]:
    descending = order.order == SortOrder.desc
    value = _sort_value(order.scope, schema, descending)
    return (value.desc() if descending else value.asc()).nulls_last()


def _sort_value(scope: FilterScope, schema: DatasetSchema, largest: bool) -> ColumnElement[Any]:
    if isinstance(scope, RecordFilterScope):
        return _RECORD_COLUMNS[str(scope.property)]  # type: ignore[no-any-return]
    if isinstance(scope, MetadataFilterScope):
        return _metadata_value(scope, schema, largest)
    if isinstance(scope, SuggestionFilterScope):
        return _suggestion_value(scope, schema, largest)
    return _response_value(scope, schema, largest)


def _metadata_value(
    scope: MetadataFilterScope, schema: DatasetSchema, largest: bool
) -> ColumnElement[Any]:
    rows = json_values(Record.metadata_, scope.metadata_property)
    number = schema.metadata.get(scope.metadata_property) in _NUMBERS
    return smallest_or_largest(rows, _comparable(rows, number), largest)


def _suggestion_value(
    scope: SuggestionFilterScope, schema: DatasetSchema, largest: bool
) -> ColumnElement[Any]:
    question = schema.questions.get(scope.question)
    if question is None:
        return null()
    mine = and_(Suggestion.record_id == Record.id, Suggestion.question_id == question.id)
    if scope.property == "agent":
        return select(by_code(Suggestion.agent)).where(mine).scalar_subquery()
    if scope.property == "type":
        return select(by_code(cast(Suggestion.type, String))).where(mine).scalar_subquery()
    score = scope.property == "score"
    if not (score or _sortable(question)):
        return null()
    rows = json_values(Suggestion.score if score else Suggestion.value)
    value = _comparable(rows, score or question.is_number)
    best = func.max(value) if largest else func.min(value)
    return select(best).select_from(Suggestion).join(rows, and_(True)).where(mine).scalar_subquery()


def _response_value(
    scope: ResponseFilterScope, schema: DatasetSchema, largest: bool
) -> ColumnElement[Any]:
    mine = [Response.record_id == Record.id]
    if scope.user is not None:
        mine.append(Response.user_id == scope.user.id)
    if scope.question is None:
        return _response_status(scope, mine, largest)
    question = schema.questions.get(scope.question)
    if question is None or not _sortable(question):
        return null()
    rows = json_values(Response.values, scope.question, "value")
    value = _comparable(rows, question.is_number)
    extreme = func.max(value) if largest else func.min(value)
    # Several people's ratings of a record sort by their mean, as in Elasticsearch.
    best = func.avg(value) if question.is_number else extreme
    return select(best).select_from(Response).join(rows, and_(True)).where(*mine).scalar_subquery()


def _response_status(
    scope: ResponseFilterScope, mine: list[Any], largest: bool
) -> ColumnElement[Any]:
    if scope.property != "status":
        raise UnprocessableEntityError("Responses can be sorted by a question or by status only.")
    status = by_code(cast(Response.status, String))
    return select(func.max(status) if largest else func.min(status)).where(*mine).scalar_subquery()


def _comparable(rows: TableValuedAlias, number: bool) -> ColumnElement[Any]:
    return as_number(rows) if number else as_text(rows)


def _sortable(question: QuestionInfo) -> bool:
    return question.is_text or question.is_number
