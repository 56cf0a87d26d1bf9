"""Owns reading dataclasses from parsed JSON by their annotations; must not know what they mean.

Nothing is guessed or dropped: a field that the class lacks, or a value that its annotation does not
allow, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from loopd.records import Answer, Span

Reader = Callable[[Any], Any]

Kinds = Mapping[type, "Reader | None"]
"""What JSON may hold, by its type in Python; ``None`` where the value stays as it is."""

_PLAIN: Mapping[object, tuple[type, ...]] = {
    Any: (dict, list, str, int, float, bool, NoneType),
    str: (str,),
    int: (int,),
    float: (float, int),  # JSON does not tell 1.0 from 1
    bool: (bool,),
    NoneType: (NoneType,),
}

_NAMES = {"JsonValue": Any, "Target": str | tuple[str | Span, ...]}
"""Aliases that are not what annotations can be read from."""

_KEYS: Mapping[tuple[type, str], str] = {(Answer, "external_id"): "record_id"}
"""Keys of fields that have another name than when journals began to hold them."""


class UnfitError(ValueError):
    """A value has a field that its class lacks, or is none that its annotation allows."""


class MissingError(ValueError):
    """A value lacks a field that its class needs."""


def key_of(kind: type, name: str) -> str:
    """The key in JSON of a field of a dataclass."""
    return _KEYS.get((kind, name), name)


def reader_of(kind: type) -> Reader:
    """What makes an instance of a dataclass from a parsed JSON object, which it may change.

    It raises UnfitError and MissingError.
    """
    hints = get_type_hints(kind, localns=_NAMES)
    names = {key_of(kind, field.name): field.name for field in fields(kind)}
    kinds = {key: kinds_of(hints[name]) for key, name in names.items()}
    renamed = [(key, name) for key, name in names.items() if key != name]
    plain = {name: frozenset(_as_they_are(allowed)) for name, allowed in kinds.items()}

    def read(values: dict[str, Any]) -> Any:
        try:
            for name, value in values.items():
                if type(value) not in plain[name]:
                    values[name] = _read(kinds[name], value)
        except KeyError as error:
            raise UnfitError(f"unknown field {error}") from None
        for key, name in renamed:
            if key in values:
                values[name] = values.pop(key)
        try:
            return kind(**values)
        except TypeError as error:
            raise MissingError(_lacking(error, renamed)) from None

    return read


def _lacking(error: TypeError, renamed: Sequence[tuple[str, str]]) -> str:
    """What a constructor misses, by its key."""
    text = str(error).partition("() ")[2]
    for key, name in renamed:
        text = text.replace(f"'{name}'", f"'{key}'")
    return text


@cache
def kinds_of(hint: Any) -> Kinds:
    """What an annotation allows."""
    if isinstance(hint, NewType):
        return kinds_of(hint.__supertype__)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        together = [kinds_of(argument) for argument in arguments]
        return MappingProxyType({kind: how for kinds in together for kind, how in kinds.items()})
    if hint in _PLAIN:
        return MappingProxyType(dict.fromkeys(_PLAIN[hint]))
    if origin is not None:
        return _container(origin, arguments)
    if is_dataclass(hint) and isinstance(hint, type):
        return {dict: reader_of(hint)}
    return (
        {str: _enum_reader(hint)} if issubclass(hint, Enum) else {list: _named_tuple_reader(hint)}
    )


def _container(origin: type, arguments: tuple[Any, ...]) -> Kinds:
    if origin is tuple:
        return {list: _tuple_reader(arguments)}
    return {dict: _mapping_reader(kinds_of(arguments[1]))}


def _tuple_reader(arguments: tuple[Any, ...]) -> Reader:
    if arguments[-1] is Ellipsis:
        element = kinds_of(arguments[0])
        return lambda values: tuple([_read(element, value) for value in values])
    elements = [kinds_of(argument) for argument in arguments]

    def read(values: list[Any]) -> tuple[Any, ...]:
        if len(values) != len(elements):
            raise UnfitError(f"{len(values)} values instead of {len(elements)}")
        return tuple(_read(kinds, value) for kinds, value in zip(elements, values, strict=True))

    return read


def _named_tuple_reader(kind: Any) -> Reader:
    arguments = list(get_type_hints(kind).values())
    read_slowly = _tuple_reader(tuple(arguments))

    def read(values: list[Any]) -> Any:
        usual = [type(value) for value in values] == arguments
        return kind._make(values if usual else read_slowly(values))

    return read


def _mapping_reader(element: Kinds) -> Reader:
    return lambda values: {name: _read(element, value) for name, value in values.items()}


def _enum_reader(kind: type[Enum]) -> Reader:
    members = {member.value: member for member in kind}

    def read(value: str) -> Enum:
        if value not in members:
            raise UnfitError(f"unknown {kind.__name__} {value!a}")
        return members[value]

    return read


def _read(kinds: Kinds, value: Any) -> Any:
    if type(value) not in kinds:
        raise UnfitError(f"unknown kind of value {value!a}"[:200])
    how = kinds[type(value)]
    return value if how is None else how(value)


def _as_they_are(kinds: Kinds) -> list[type]:
    return [kind for kind, how in kinds.items() if how is None]
