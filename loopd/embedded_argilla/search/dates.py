"""Bounds of date filters as Argilla's clients send them: ISO dates or milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone

from argilla_server.errors.future import UnprocessableEntityError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (Argilla keeps UTC without a zone)
_DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")
# Python 3.10 reads three or six digits of a second's fraction, and no other number of them.
_FRACTION = re.compile(r"\.(\d+)")


def lower_bound(value: float | str) -> datetime:
    """Return the first moment that `value` names, in UTC without a zone, as Argilla stores it."""
    return _moment(value)


def upper_bound(value: float | str) -> datetime:
    """Return the last moment that `value` names: a bare date means the end of that day."""
    moment = _moment(value)
    if isinstance(value, str) and _DATE_ONLY.fullmatch(value.strip()):
        return datetime.combine(moment.date(), time.max)
    return moment


def _moment(value: float | str) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=float(value))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(_microseconds(str(value).strip()))
    except ValueError as error:
        raise UnprocessableEntityError(f"{value!r} is not a date.") from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return moment


def _microseconds(text: str) -> str:
    text = re.sub("[zZ]$", "+00:00", text)
    return _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text)
