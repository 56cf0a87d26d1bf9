"""Owns when an answer was given and when it last changed, in seconds; pure."""

from __future__ import annotations

from datetime import datetime, timezone

from loopd.records import Answer


def given_at(answer: Answer) -> float:
    """When a person gave an answer: a draft before it and edits after it do not count."""
    return moment(answer.given or answer.time)


def changed_at(answer: Answer) -> float:
    """When an answer became what it is."""
    return moment(answer.changed or answer.time)


def moment(time: str) -> float:
    """Seconds since 1970 of an answer's time."""
    parsed = datetime.fromisoformat(time)
    return parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()
