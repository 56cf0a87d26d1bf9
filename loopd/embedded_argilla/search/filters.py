"""Argilla's filters as SQL conditions on records; must not run queries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from argilla_server.enums import (
    MetadataPropertyType,
    RecordStatus,
    ResponseStatus,
    ResponseStatusFilter,
    SuggestionType,
)
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Record, Response, Suggestion
from argilla_server.search_engine.base import (
    AndFilter,
    Filter,
    MetadataFilterScope,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)
from sqlalchemy import ColumnElement, String, and_, cast, exists, false, func, or_, select, true
from sqlalchemy.sql.selectable import TableValuedAlias

from loopd.embedded_argilla.search.dates import lower_bound, upper_bound
from loopd.embedded_argilla.search.json_sql import as_number, as_text, by_code, json_values, stored
from loopd.embedded_argilla.search.schema import DatasetSchema, QuestionInfo

Condition = ColumnElement[bool]


def filter_condition(clause: Filter, schema: DatasetSchema) -> Condition:
    """Return the condition that a record must meet; UnprocessableEntityError if there is none."""
    if isinstance(clause, AndFilter):
        return and_(True, *(filter_condition(part, schema) for part in clause.filters))
    scope = clause.scope
    if isinstance(scope, RecordFilterScope):
        return _record_condition(clause, str(scope.property))
    if isinstance(scope, MetadataFilterScope):
        return _metadata_condition(clause, scope, schema)
    if isinstance(scope, SuggestionFilterScope):
        return _suggestion_condition(clause, scope, schema)
    return _response_condition(clause, scope, schema)


# Records


def _record_condition(clause: TermsFilter | RangeFilter, name: str) -> Condition:
    if name in ("inserted_at", "updated_at"):
        return _date_condition(clause, getattr(Record, name))
    if name == "id":
        return _id_condition(clause)
    if name == "status":
        return _status_condition(clause)
    if name == "external_id":
        return text_condition(clause, Record.external_id)
    raise UnprocessableEntityError(f"Records cannot be filtered by {name!r}.")


def _status_condition(clause: TermsFilter | RangeFilter) -> Condition:
    if isinstance(clause, RangeFilter):
        return text_condition(clause, cast(Record.status, String))
    return _is_in(Record.status, _members(RecordStatus, clause.values))


def _id_condition(clause: TermsFilter | RangeFilter) -> Condition:
    if isinstance(clause, RangeFilter):
        bare = RangeFilter(
            clause.scope,
            *(_without_dashes(end) for end in (clause.ge, clause.le)),
        )
        return text_condition(bare, func.replace(cast(Record.id, String), "-", ""))
    ids = [id_ for value in clause.values if (id_ := _uuid(value)) is not None]
    return _is_in(Record.id, ids)


def _date_condition(clause: TermsFilter | RangeFilter, column: Any) -> Condition:
    if isinstance(clause, TermsFilter):
        return or_(
            false(),
            *(column.between(lower_bound(value), upper_bound(value)) for value in clause.values),
        )
    ends: list[Condition] = []
    if clause.ge is not None:
        ends.append(column >= lower_bound(clause.ge))
    if clause.le is not None:
        ends.append(column <= upper_bound(clause.le))
    return and_(True, *ends)


# Metadata


def _metadata_condition(
    clause: TermsFilter | RangeFilter, scope: MetadataFilterScope, schema: DatasetSchema
) -> Condition:
    kind = schema.metadata.get(scope.metadata_property)
    if kind is None:
        return false()
    rows = json_values(Record.metadata_, scope.metadata_property)
    return _any_row(rows, _value_condition(clause, rows, kind != MetadataPropertyType.terms))


# Suggestions


def _suggestion_condition(
    clause: TermsFilter | RangeFilter, scope: SuggestionFilterScope, schema: DatasetSchema
) -> Condition:
    question = schema.questions.get(scope.question)
    if question is None:
        return false()
    mine = and_(Suggestion.record_id == Record.id, Suggestion.question_id == question.id)
    if scope.property == "agent":
        return exists().where(mine, text_condition(clause, Suggestion.agent))
    if scope.property == "type":
        return exists().where(mine, _suggestion_type_condition(clause))
    score = scope.property == "score"
    if not (score or question.is_text or question.is_number):
        return false()
    rows = json_values(Suggestion.score if score else Suggestion.value)
    condition = _value_condition(clause, rows, score or question.is_number)
    return exists(select(1).select_from(Suggestion).join(rows, condition).where(mine))


def _suggestion_type_condition(clause: TermsFilter | RangeFilter) -> Condition:
    if isinstance(clause, RangeFilter):
        return text_condition(clause, cast(Suggestion.type, String))
    return _is_in(Suggestion.type, _members(SuggestionType, clause.values))


# Responses


def _response_condition(
    clause: TermsFilter | RangeFilter, scope: ResponseFilterScope, schema: DatasetSchema
) -> Condition:
    if scope.question is not None:
        return _response_value_condition(clause, scope, schema.questions.get(scope.question))
    if scope.property == "status" and isinstance(clause, TermsFilter):
        return _response_status_condition(clause.values, scope)
    raise UnprocessableEntityError("Responses can be filtered by a question or by status only.")


def _response_value_condition(
    clause: TermsFilter | RangeFilter,
    scope: ResponseFilterScope,
    question: QuestionInfo | None,
) -> Condition:
    if question is None or not (question.is_text or question.is_number):
        return false()
    rows = json_values(Response.values, str(scope.question), "value")
    return exists(
        select(1)
        .select_from(Response)
        .join(rows, _value_condition(clause, rows, question.is_number))
        .where(Response.record_id == Record.id, _user_condition(scope))
    )


def _response_status_condition(values: list[str], scope: ResponseFilterScope) -> Condition:
    """`pending` is the absence of a response: of this user's if there is one, else of anybody's.

    No status at all leaves only the question whether the user has answered, as on a stock server.
    """
    answered = and_(Response.record_id == Record.id, _user_condition(scope))
    if not values:
        return true() if scope.user is None else exists().where(answered)
    either: list[Condition] = []
    if ResponseStatusFilter.pending in values:
        either.append(~exists().where(answered))
    statuses = _members(ResponseStatus, values)
    if statuses:
        either.append(exists().where(answered, Response.status.in_(statuses)))
    return or_(false(), *either)


def _user_condition(scope: ResponseFilterScope) -> Condition:
    return Response.user_id == scope.user.id if scope.user else true()


# Values


def text_condition(clause: TermsFilter | RangeFilter, column: Any) -> Condition:
    """Compare a column as text, character by character."""
    if isinstance(clause, TermsFilter):
        return _is_in(column, [stored(str(value)) for value in clause.values])
    return _between(by_code(column), _as_str(clause.ge), _as_str(clause.le))


def number_condition(clause: TermsFilter | RangeFilter, column: Any) -> Condition:
    """Compare a column as numbers; a filter value that is no number matches nothing."""
    if isinstance(clause, TermsFilter):
        numbers = [_number(value) for value in clause.values]
        return _is_in(column, [number for number in numbers if number is not None])
    ge, le = _number(clause.ge), _number(clause.le)
    if (ge is None) != (clause.ge is None) or (le is None) != (clause.le is None):
        return false()
    return _between(column, ge, le)


def _value_condition(
    clause: TermsFilter | RangeFilter, rows: TableValuedAlias, number: bool
) -> Condition:
    if number:
        return number_condition(clause, as_number(rows))
    return text_condition(clause, as_text(rows))


def _any_row(rows: TableValuedAlias, condition: Condition) -> Condition:
    return exists(select(1).select_from(rows).where(condition))


def _is_in(column: Any, values: list[Any]) -> Condition:
    condition: Condition = column.in_(values)
    return condition


def _between(column: Any, ge: Any, le: Any) -> Condition:
    ends: list[Condition] = [column.is_not(None)]
    if ge is not None:
        ends.append(column >= ge)
    if le is not None:
        ends.append(column <= le)
    return and_(*ends)


def _members(kind: Any, values: Iterable[str]) -> list[Any]:
    members_by_value = {str(member.value): member for member in kind}
    return [members_by_value[str(value)] for value in values if str(value) in members_by_value]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None


def _as_str(value: Any) -> str | None:
    return None if value is None else stored(str(value))


def _without_dashes(value: Any) -> Any:
    return None if value is None else str(value).replace("-", "")
