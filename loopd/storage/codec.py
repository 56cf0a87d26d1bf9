"""Owns how events become JSON and come back; must not know where the JSON is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import get_args

from loopd.errors import JournalError, NewerError
from loopd.events import Event
from loopd.storage.from_json import MissingError, Reader, UnfitError, reader_of


def encode(event: Event) -> tuple[str, str]:
    """Name and JSON object of an event."""
    fields = asdict(event)
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if not _is_unicode(text):  # half a surrogate pair, in what somebody else wrote
        text = json.dumps(fields, separators=(",", ":"), allow_nan=False)
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
        fields = json.loads(payload)
        if not isinstance(fields, dict):
            raise MissingError("it is no JSON object")
        event: Event = reader(fields)
        return event
    except UnfitError as error:
        raise NewerError(f"a newer loopd wrote this: event {name}, {error}") from error
    except (ValueError, RecursionError) as error:
        raise JournalError(f"event {name} is damaged: {error}", _DAMAGED) from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_DAMAGED = "restore it from a backup, or rebuild it from Argilla with `loopd recover`"

_READERS: Mapping[str, Reader] = {kind.__name__: reader_of(kind) for kind in get_args(Event)}
