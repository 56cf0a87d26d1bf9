"""Owns how events become JSON and come back; must not know where the JSON is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args

from loopd.errors import JournalError, NewerError
from loopd.events import Event
from loopd.storage.from_json import MissingError, Reader, UnfitError, key_of, reader_of


def encode(event: Event) -> tuple[str, str]:
    """Name and JSON object of an event."""
    text = _AS_IT_IS.encode(event)
    if not _is_unicode(text):  # half a surrogate pair, in what somebody else wrote
        text = _ESCAPED.encode(event)
    return type(event).__name__, text


def decode(name: str, payload: str) -> Event:
    """The event with this name and JSON object.

    Later versions may add events, fields and values, and take none away.

    Raises:
        NewerError: an event, a field or a value of a field that this version does not have.
        JournalError: no JSON object, or one that lacks a field.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise NewerError(f"a newer loopd wrote this: unknown event {name!a}")
    try:
        values = json.loads(payload)
        if not isinstance(values, dict):
            raise MissingError("it is no JSON object")
        event: Event = reader(values)
        return event
    except UnfitError as error:
        raise NewerError(f"a newer loopd wrote this: event {name}, {error}") from error
    except (ValueError, RecursionError) as error:
        raise JournalError(f"event {name} is damaged: {error}", _DAMAGED) from error


def _values(part: Any) -> dict[str, object]:
    """A dataclass as a JSON object, in the order of its fields."""
    return {key: getattr(part, name) for name, key in _names(part.__class__)}


@cache
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    """The fields of a dataclass with their keys in JSON."""
    return tuple((field.name, key_of(kind, field.name)) for field in fields(kind))


_FORM: Mapping[str, Any] = {"separators": (",", ":"), "allow_nan": False, "default": _values}

_AS_IT_IS, _ESCAPED = json.JSONEncoder(ensure_ascii=False, **_FORM), json.JSONEncoder(**_FORM)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_DAMAGED = "restore it from a backup, or rebuild it from Argilla with `loopd recover`"

_READERS: Mapping[str, Reader] = {kind.__name__: reader_of(kind) for kind in get_args(Event)}
