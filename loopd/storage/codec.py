"""Owns how events become JSON and come back; must not know where the JSON is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from loopd.errors import JournalError
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    PoolChanged,
    RecordsReopened,
    RoundEvaluated,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStopped,
    SettingsAdopted,
)
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, Span, Suggestion, Target

Fields = dict[str, Any]


class NewerError(JournalError):
    """A newer loopd wrote it: nothing is damaged."""


def encode(event: Event) -> tuple[str, str]:
    """Name and JSON object of an event."""
    fields = asdict(event)
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if not _is_unicode(text):  # half a surrogate pair, in what somebody else wrote
        text = json.dumps(fields, separators=(",", ":"), allow_nan=False)
    return type(event).__name__, text


def decode(name: str, payload: str) -> Event:
    """The event with this name and JSON object.

    Raises:
        NewerError: unknown name.
        JournalError: fields that do not fit.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise NewerError(f"unknown event {name}", "the journal is from a newer loopd: upgrade")
    try:
        return reader(json.loads(payload))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise JournalError(f"event {name} is damaged: {error}", _DAMAGED) from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_DAMAGED = "restore it from a backup, or rebuild it from Argilla with `loopd recover`"


def _started(fields: Fields) -> Event:
    return RunStarted(**{**fields, "labels": tuple(fields["labels"])})


def _planned(fields: Fields) -> Event:
    refreshed = tuple(_batch(batch) for batch in fields.get("refreshed", ()))
    return BatchPlanned(**{**fields, "batch": _batch(fields["batch"]), "refreshed": refreshed})


def _batch(fields: Mapping[str, Any]) -> Batch:
    return Batch(**{**fields, "items": tuple(_item(item) for item in fields["items"])})


def _item(fields: Mapping[str, Any]) -> BatchItem:
    proposal = fields["suggestion"]
    return BatchItem(**{**fields, "suggestion": proposal and _suggestion(**proposal)})


def _suggestion(value: Any, score: Any) -> Suggestion:
    return Suggestion(_target(value), tuple(score) if isinstance(score, list) else score)


def _target(value: Any) -> Target:
    """A label, labels, or spans: JSON knows neither tuples nor spans."""
    if isinstance(value, list):
        return tuple(Span(*item) if isinstance(item, list) else item for item in value)
    return str(value)


def _recovered(fields: Fields) -> Event:
    batches = tuple(_batch(batch) for batch in fields["batches"])
    published, notes = tuple(fields["published"]), tuple(fields["notes"])
    return RunRecovered(fields["at"], batches, published, notes)


def _collected(fields: Fields) -> Event:
    return AnswersCollected(
        at=fields["at"],
        answers=tuple(_answer(answer) for answer in fields["answers"]),
        deleted=tuple(fields["deleted"]),
        restored=tuple(fields["restored"]),
        departed=tuple(fields.get("departed", ())),
        returned=tuple(fields.get("returned", ())),
    )


def _pool_changed(fields: Fields) -> Event:
    lists = {name: tuple(fields[name]) for name in ("gone", "back")}
    return PoolChanged(**{**fields, **lists})


def _answer(fields: Fields) -> Answer:
    fields["status"] = _STATUSES[fields["status"]]
    return Answer(**fields)


def _evaluated(fields: Fields) -> Event:
    confusion = tuple((*names, count) for *names, count in fields.get("confusion", ()))
    predicted = {id_: _target(value) for id_, value in fields.get("predicted", {}).items()}
    return RoundEvaluated(**{**fields, "confusion": confusion, "predicted": predicted})


_STATUSES = {status.value: status for status in AnswerStatus}

_READERS: dict[str, Callable[[Fields], Event]] = {
    "RunStarted": _started,
    "BatchPlanned": _planned,
    "BatchPublished": lambda fields: BatchPublished(**fields),
    "AnswersCollected": _collected,
    "RecordsReopened": lambda fields: RecordsReopened(fields["at"], tuple(fields["records"])),
    "SettingsAdopted": lambda fields: SettingsAdopted(**fields),
    "PoolChanged": _pool_changed,
    "BatchCollected": lambda fields: BatchCollected(**fields),
    "ModelTrained": lambda fields: ModelTrained(**fields),
    "RoundEvaluated": _evaluated,
    "RunStopped": lambda fields: RunStopped(**fields),
    "RunResumed": lambda fields: RunResumed(**fields),
    "RunRecovered": _recovered,
}
