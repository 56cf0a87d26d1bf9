"""Owns the mark of a record that others made and a run published; must not talk to a server.

Where all records bear the run's mark, nothing else tells whose they are, and `loopd remove` must
delete only those that loopd made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROPERTY, OTHERS = "loopd_made_by", "others"
"""Name of the metadata property, and its value; a record that loopd made has none."""


def body() -> dict[str, Any]:
    """The metadata property as Argilla's API wants it at creation."""
    return {
        "name": PROPERTY,
        "title": "Made by",
        "settings": {"type": "terms"},
        "visible_for_annotators": False,
    }


def is_on(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata say that others made the record."""
    return metadata.get(PROPERTY) == OTHERS


def of_present(metadata: Mapping[str, Any], *, is_ours: bool) -> dict[str, Any]:
    """What a record that was there gets beside the other marks.

    Args:
        metadata: that it has.
        is_ours: whether they say that loopd has published it before.
    """
    return {} if is_ours and not is_on(metadata) else {PROPERTY: OTHERS}
