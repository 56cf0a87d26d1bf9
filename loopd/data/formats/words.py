"""Owns the words by which files call people, answers, verdicts and times; must not read files."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timezone
from functools import lru_cache

from loopd.data.cells import plain
from loopd.data.source import Verdict

ANNOTATOR_KEYS = (
    "annotator",
    "annotator_id",
    "annotator_name",
    "annotatorid",
    "annotated_by",
    "annotation_agent",
    "_annotator_id",
    "_session_id",
    "completed_by",
    "worker",
    "worker_id",
    "workerid",
    "crowdworker",
    "coder",
    "coder_id",
    "rater",
    "rater_id",
    "labeler",
    "labeler_id",
    "labeller",
    "_worker_id",
    "assignment:worker_id",
    "annotators",
    "annotator_ids",
    "worker_ids",
)
"""Names of columns that say who answered and can hardly mean anybody else."""

PERSON_KEYS = ("user", "user_id", "userid", "username", "user_name", "person", "who", "by", "judge")
"""Names that may mean who answered, or who wrote the text."""

VALUE_KEYS = ("value", "label", "labels", "answer", "answers", "choice", "choices", "annotation")
"""Names of what somebody answered, in an object."""

VERDICT_KEYS = (
    "status",
    "answer",
    "verdict",
    "response_status",
    "answer_status",
    "annotation_status",
    "label_status",
    "assignment_status",
    "assignmentstatus",
    "assignment:status",
    "annotation_state",
    "response_state",
    "review_status",
    "review_result",
    "qa_status",
    "state",
    "decision",
    "review",
)
"""Names of columns that may hold a verdict in words; only their words tell."""

GENERAL_KEYS = frozenset(("status", "answer", "verdict", "state", "decision", "review"))
"""Those of them that may as well say something about the text."""

FLAG_KEYS: Mapping[str, Verdict] = {
    "was_cancelled": Verdict.CANCELLED,
    "cancelled": Verdict.CANCELLED,
    "canceled": Verdict.CANCELLED,
    "is_cancelled": Verdict.CANCELLED,
    "rejected": Verdict.REJECTED,
    "is_rejected": Verdict.REJECTED,
    "discarded": Verdict.DISCARDED,
    "is_discarded": Verdict.DISCARDED,
    "ignored": Verdict.IGNORED,
    "is_ignored": Verdict.IGNORED,
    "skipped": Verdict.CANCELLED,
    "is_skipped": Verdict.CANCELLED,
    "draft": Verdict.DRAFT,
    "is_draft": Verdict.DRAFT,
    "_tainted": Verdict.REJECTED,
}
"""Names of columns that hold yes or no, and the verdict that a yes says."""

APPROVAL_KEYS = frozenset(
    ("accepted", "is_accepted", "approved", "is_approved", "valid", "is_valid")
)
"""Names of columns that hold yes or no, where a no rejects the label."""

TIME_KEYS = (
    "updated_at",
    "_timestamp",
    "timestamp",
    "time",
    "event_timestamp",
    "submitted_at",
    "created_at",
    "date",
    "datetime",
)
"""Names of when an answer was given, the latest of several first."""

_VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("submitted", "accept", "accepted", "validated", "approved"), Verdict.SUBMITTED
    ),
    **dict.fromkeys(("reject", "rejected", "disapproved", "invalid"), Verdict.REJECTED),
    **dict.fromkeys(("ignore", "ignored"), Verdict.IGNORED),
    **dict.fromkeys(("discard", "discarded"), Verdict.DISCARDED),
    **dict.fromkeys(("draft", "edited", "withdrawn"), Verdict.DRAFT),
    **dict.fromkeys(("pending", "default"), Verdict.PENDING),
    **dict.fromkeys(("cancel", "cancelled", "canceled", "skip", "skipped"), Verdict.CANCELLED),
}

DONE = frozenset(("completed", "complete", "done", "finished", "final", "valid", "ok"))
"""Words by which a file says that something is an answer, if anything beside it is about that."""

UNFINISHED = frozenset(("active", "expired", "in_progress", "in progress", "assigned", "returned"))
"""Words by which it says that something is none yet."""

_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "t", "1", "1.0", "yes", "y"), True),
    **dict.fromkeys(("false", "f", "0", "0.0", "no", "n", ""), False),
}

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_JOINTS = re.compile(r"[\s.-]+")

_WHOLE = re.compile(r"(0|[1-9]\d*)\.0")
"""How pandas writes a person's number beside rows without one."""

_NOBODY = frozenset(("nan", "NaN", "None", "null", "<NA>"))
"""What programs write where there is no name."""


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """A name as the lists above have it: ``Annotator ID`` and ``annotatorId`` are one."""
    return _JOINTS.sub("_", _HUMPS.sub("_", name.strip())).casefold()


def verdict_of(cell: object) -> Verdict | None:
    """The verdict that a word says, also as Python shows it: ``ResponseStatus.submitted``."""
    word = plain(cell).strip().casefold()
    return _VERDICTS.get(word) or _VERDICTS.get(word.rpartition("status.")[2])


def flag_of(cell: object) -> bool | None:
    """What a yes or no says; ``None`` where it is neither."""
    return _FLAGS.get(plain(cell).strip().casefold())


def first_key(cells: Mapping[str, object], keys: Iterable[str]) -> str | None:
    """The first of some keys that an object has, however it spells them; with something in it."""
    names = {key_of(name): name for name in cells}
    present = (names[key] for key in keys if key in names)
    return next((name for name in present if plain(cells[name]).strip()), None)


def person(cell: object) -> str:
    """How somebody is called: the name of an account, its mail address, or its number."""
    if isinstance(cell, Mapping):
        key = first_key(cell, ("username", "email", "name", "id"))
        return "" if key is None else person(cell[key])
    name = plain(cell).strip()
    if name in _NOBODY:
        return ""
    return name.removesuffix(".0") if _WHOLE.fullmatch(name) else name


def moment(cell: object) -> float | None:
    """When something was, in seconds since 1970; ``None`` where that is not said."""
    if isinstance(cell, datetime):
        return _seconds(cell)
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell) if math.isfinite(cell) else None
    text = plain(cell).strip()
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else _seconds(_date(text))
    except (ValueError, OverflowError):
        return None


def latest(cells: Mapping[str, object], without: Collection[str] = ()) -> float | None:
    """The time that an object says, by the names that are usual."""
    key = first_key(cells, (key for key in TIME_KEYS if key not in without))
    return None if key is None else moment(cells[key])


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
