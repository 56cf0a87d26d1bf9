"""Owns what the questions of all kinds of tasks have in common; must not know any one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopd.config import label_key

Json = dict[str, Any]

MIN_VISIBLE_OPTIONS = 3
"""Fewer cannot be asked for, and are shown anyway."""

MOST_SHOWN = 20
"""Labels that a message lists."""


def question(name: str, title: str, kind: str, options: Sequence[str]) -> Json:
    """A required question that shows all its options.

    Args:
        name: of the question.
        title: what the annotator reads above the options.
        kind: Argilla's type of question.
        options: values, which are also the texts.
    """
    settings: Json = {
        "type": kind,
        "options": [{"value": option, "text": option} for option in options],
    }
    if len(options) >= MIN_VISIBLE_OPTIONS:
        settings["visible_options"] = len(options)
    return {"name": name, "title": title, "required": True, "settings": settings}


def misfits(name: str, kind: str, options: Sequence[str], existing: Mapping[str, Any]) -> list[str]:
    """What keeps an existing question from serving: another type, or options that are not there."""
    settings = existing["settings"]
    if settings["type"] != kind:
        return [f"question `{name}` is a {settings['type']}, not {kind}"]
    offered = [option["value"] for option in settings["options"]]
    keys = set(map(label_key, offered))
    absent = [option for option in options if label_key(option) not in keys]
    if not absent:
        return []
    return [f"question `{name}` lacks the labels {absent}; it has {_some(offered)}"]


def _some(offered: Sequence[str]) -> str:
    """The first of many labels."""
    more = f" and {len(offered) - MOST_SHOWN} more" if len(offered) > MOST_SHOWN else ""
    return f"{list(offered[:MOST_SHOWN])}{more}"


def probability(score: float) -> float:
    """A score that Argilla takes: rounding may have moved it out of [0, 1]."""
    return min(1.0, max(0.0, score))
