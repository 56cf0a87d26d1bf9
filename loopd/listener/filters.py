"""Owns which records a listener is about: conditions with parameters in braces; pure.

Must not talk to a server: what a dataset has (its questions, its metadata) only the server knows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from loopd.errors import ConfigError
from loopd.listener.version1 import refusal

Condition = tuple[str, str, Any]
"""Field, operator and value, as in Argilla's ``rg.Filter``."""

OPERATORS = ("==", "in", ">=", "<=")
STATUSES = {
    "status": ("pending", "completed"),
    "response.status": ("pending", "draft", "submitted", "discarded"),
}
"""Values that exist; any other would match nothing, for ever."""

_PLAIN = ("id", "_server_id", "inserted_at", "updated_at", *STATUSES)
_KINDS = ("suggestion", "score", "agent", "type", "response")
_NO_ORDER = ("id", "_server_id", *STATUSES)


class DefinitionError(ConfigError):
    """A listener is defined in a way that cannot work."""


@dataclass(frozen=True, slots=True)
class BoundSearch:
    """Filters and text query with all parameters put in.

    Attributes:
        conditions: all of them must hold.
        query: text to search for in the fields, ``None`` for any.
    """

    conditions: tuple[Condition, ...]
    query: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters and text query as they were written.

    Attributes:
        conditions: values may hold parameters in braces, as ``"{batch_id}"``.
        query: text to search for, may hold parameters; ``None`` for any text.
    """

    conditions: tuple[Condition, ...]
    query: str | None = None

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse what cannot work with these parameters.

        Raises:
            DefinitionError: says which condition, and why.
        """
        for condition in self.conditions:
            field, operator, value = condition
            _check_field(field, operator)
            _check_value(condition)
            _check_names(value, params, repr(condition))
        _check_names(self.query, params, "the query")
        filled = self.filled(params).query
        if self.query is not None and _whole(self.query) is not None:
            _refuse_version_1(filled)

    def names(self) -> frozenset[str]:
        """The parameters that are named anywhere."""
        values = [value for _, _, value in self.conditions]
        return frozenset(name for value in (*values, self.query) for name in _all_names(value))

    def filled(self, params: Mapping[str, Any]) -> BoundSearch:
        """The same with the parameters' present values.

        A value that is one parameter and nothing else keeps the parameter's type.

        Raises:
            DefinitionError: a parameter is gone, or does not take the format asked for.
        """
        try:
            conditions = tuple(
                (field, operator, _fill(value, params))
                for field, operator, value in self.conditions
            )
            return BoundSearch(
                conditions, None if self.query is None else str(_fill(self.query, params))
            )
        except KeyError as error:
            raise DefinitionError(f"query_params has no {error} any more") from error
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"a parameter cannot be put in: {error}") from error


def parse(filters: Sequence[Condition] | Condition, query: str | None) -> Filters:
    """The filters of a definition; one condition may stand alone, as with ``rg.Filter``."""
    alone = isinstance(filters, tuple) and bool(filters) and isinstance(filters[0], str)
    listed: Any = [filters] if alone else filters
    if isinstance(listed, str) and (problem := refusal(listed)) is not None:
        raise DefinitionError(f"filters must be a list of conditions; {problem}")
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise DefinitionError(f"filters must be a list of conditions, not {filters!r}")
    for condition in listed:
        _check_shape(condition)
    _refuse_version_1(query)
    return Filters(tuple(tuple(condition) for condition in listed), query)


def _check_shape(condition: Any) -> None:
    if not isinstance(condition, tuple | list) or len(condition) != 3:
        raise DefinitionError(f"{condition!r} is no condition: write (field, operator, value)")
    if not isinstance(condition[0], str) or not isinstance(condition[1], str):
        raise DefinitionError(f"field and operator of {condition!r} must be strings")


def _check_field(field: str, operator: str) -> None:
    if operator not in OPERATORS:
        operators = ", ".join(f"`{name}`" for name in OPERATORS)
        raise DefinitionError(f"unknown operator `{operator}` for `{field}`; there are {operators}")
    head, _, tail = field.partition(".")
    if field not in _PLAIN and "." in field and head != "metadata" and tail not in _KINDS:
        hint = f"; did you mean `{tail}.{head}`?" if head in _KINDS else ""
        raise DefinitionError(f"unknown field `{field}`{hint or _fields()}")
    if "." in tail or (head == "metadata" and not tail):
        raise DefinitionError(f"unknown field `{field}`{_fields()}")
    if field in _NO_ORDER and operator in (">=", "<="):
        raise DefinitionError(f"`{field}` has no order: use `==` or `in`")


def _refuse_version_1(query: object) -> None:
    if query is not None and not isinstance(query, str):
        raise DefinitionError(f"query must be a text, not {query!r}")
    problem = None if query is None else refusal(query)
    if problem is not None:
        raise DefinitionError(problem)


def _fields() -> str:
    plain = ", ".join(f"`{field}`" for field in _PLAIN)
    kinds = ", ".join(f"`<question>.{kind}`" for kind in _KINDS)
    return f"; there are {plain}, `metadata.<name>`, {kinds}"


def _check_value(condition: Condition) -> None:
    field, operator, value = condition
    whole = isinstance(value, str) and _whole(value) is not None
    listed = isinstance(value, list | tuple | set | frozenset)
    if operator == "in" and not (whole or (listed and value)):
        raise DefinitionError(f"`in` needs a list with at least one value: {condition!r}")
    if operator != "in" and (listed or value is None or isinstance(value, bool)):
        raise DefinitionError(f"`{operator}` needs one number or string: {condition!r}")
    for item in _each(value):
        literal = isinstance(item, str) and not list(_names(item))
        if field in STATUSES and literal and item not in STATUSES[field]:
            statuses = ", ".join(f"`{name}`" for name in STATUSES[field])
            raise DefinitionError(f"`{field}` is never {item!r}: it is one of {statuses}")


def _check_names(value: Any, params: Mapping[str, Any], where: str) -> None:
    for name in _all_names(value):
        if name not in params:
            parameters = ", ".join(f"`{name}`" for name in params) or "no parameters"
            raise DefinitionError(f"unknown parameter `{name}` in {where}; there are {parameters}")


def _each(value: Any) -> Collection[Any]:
    """The values of a list, or the one value."""
    return value if isinstance(value, list | tuple | set | frozenset) else (value,)


def _all_names(value: Any) -> Iterator[str]:
    """Parameters that a value names."""
    for item in _each(value):
        if isinstance(item, str):
            yield from _names(item)


def _names(text: str) -> Iterator[str]:
    """Parameters that a text names.

    Raises:
        DefinitionError: a brace is not closed, or holds more than a name and a format.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise DefinitionError(f"cannot read the braces in {text!r}: {error}") from error
    for _, name, _, _ in pieces:
        if name is not None:
            if not name.isidentifier():
                raise DefinitionError(f"{text!r} needs the name of a parameter in its braces")
            yield name


def _whole(text: str) -> str | None:
    """The parameter that is the whole text, if so."""
    match = re.fullmatch(r"\{(\w+)\}", text)
    return match[1] if match else None


def _fill(value: Any, params: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_fill(item, params) for item in value]
    if not isinstance(value, str):
        return value
    name = _whole(value)
    return value.format_map(params) if name is None else params[name]
