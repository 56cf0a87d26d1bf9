"""Owns which settings shape the results, and the digest by which a run knows them again.

Must not know what a setting does. Runs outlive versions: a section or a field that a later version
adds has no part in the digest as long as it has its default, so the run goes on as it was. Nobody
has to list it here, unless it never shapes the results. Such a default must not change later,
unless the one before is listed here and a journal tells which of the two a run began with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Names = Mapping[str, tuple[str, ...]]
"""Names of settings by their section; the sections themselves are below ``""``."""

_READING = ("annotator_column", "encoding", "format", "path", "tolerate", "verdict_column")
UNSHAPING: Names = {
    "": ("argilla", "compute", "dashboard", "log", "run", "sinks"),
    "pool": (*_READING, "argilla", "follow", "show", "url"),
    "test": _READING,
}
"""Where things lie, how the server is reached, who does the work, what is logged and what is shown;
how files are read, as the contents of the data sets have fingerprints of their own."""

_TEXTS = (
    *("annotator", "answers", "hub", "hub_config", "id", "label", "separator", "split", "text"),
)
ALWAYS: Names = {
    "": (
        *("classifier", "consensus", "pool", "queue", "relabel", "stopping", "strategy"),
        *("task", "test"),
    ),
    "classifier": ("candidates", "device", "max_tokens", "model", "name", "options", "threads"),
    "consensus": ("folds", "strategy"),
    "pool": _TEXTS,
    "queue": (
        *("batch_size", "first_batch_size", "low_watermark", "min_submitted", "patience"),
        *("poll_interval", "refresh", "suggestions", "sweep_interval"),
    ),
    "relabel": ("another_person", "max_annotations"),
    "stopping": (
        *("criteria", "label_budget", "max_rounds", "patience", "stop_set_size"),
        "target_accuracy",
    ),
    "stopping.criteria": ("name", "options", "stop"),
    "strategy": ("cold_start", "cold_start_options", "name", "options"),
    "task": ("field", "guidelines", "labels", "none_label", "question", "title", "type"),
    "test": _TEXTS,
}
"""What the first version had: in the digest whatever its value. Nothing is ever added here."""

FORMER: Mapping[str, object] = {"audit.random_share": 0.0, "audit.folds": 5}
"""Defaults of earlier versions that a later one replaced: they are still left out of the digest."""


def digest(config: BaseModel, seed: int) -> str:
    """Hash of everything that shapes the results: 12 hexadecimal digits."""
    text = json.dumps({**shaping(config), "seed": seed}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def shaping(section: BaseModel, path: str = "") -> dict[str, Any]:
    """What of a section goes into the digest, as JSON values.

    Args:
        section: any section, or the whole configuration.
        path: its name, with that of the section that it is in before it; empty for the whole.
    """
    unshaping, always = UNSHAPING.get(path, ()), ALWAYS.get(path, ())
    plain = section.model_dump(mode="json", exclude=set(unshaping))
    kept: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = f"{path}.{name}" if path else name
        usual = _is_usual(key, value, field.get_default(call_default_factory=True))
        if name in plain and (name in always or not usual):
            kept[name] = _plain(value, plain[name], key)
    return kept


def _is_usual(key: str, value: object, default: object) -> bool:
    """Whether a value is the default, or was that of an earlier version."""
    if isinstance(value, BaseModel) and isinstance(default, BaseModel):
        return value == default or shaping(value, key) == shaping(default, key)
    return value == default or (key in FORMER and value == FORMER[key])


def _plain(value: object, plain: object, path: str) -> object:
    """A value as JSON; of sections in it only what goes into the digest."""
    if isinstance(value, BaseModel):
        return shaping(value, path)
    if isinstance(value, tuple):
        return [_plain(part, plain_part, path) for part, plain_part in _pairs(value, plain)]
    return plain


def _pairs(values: tuple[object, ...], plain: object) -> list[tuple[object, object]]:
    return list(zip(values, plain if isinstance(plain, list) else (), strict=True))
