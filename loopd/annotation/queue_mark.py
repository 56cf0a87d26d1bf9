"""Owns the mark of the records that a run waits for, and the address that shows only these.

Needed where the run works on records that are there anyway: people's page lists all of a dataset.
The address stays the same while batches come and go. Must not talk to a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

PROPERTY, OPEN = "loopd_queue", "open"
"""Name of the metadata property, and its value on a record that the run waits for."""

KIND, TITLE = "terms", "Queue of loopd"


def body() -> dict[str, Any]:
    """The metadata property as Argilla's API wants it at creation; annotators filter by it."""
    settings = {"type": KIND}
    return {
        "name": PROPERTY,
        "title": TITLE,
        "settings": settings,
        "visible_for_annotators": True,
    }


def misfit(properties: list[dict[str, Any]]) -> str | None:
    """What keeps a property of this name from serving, ``None`` where there is none or it does."""
    for entry in properties:
        kind = entry["settings"]["type"]
        if entry["name"] == PROPERTY and kind != KIND:
            return f"its metadata `{PROPERTY}` is {kind}, not {KIND}"
    return None


def is_on(record: Mapping[str, Any]) -> bool:
    """Whether a record bears the mark."""
    return (record.get("metadata") or {}).get(PROPERTY) == OPEN


def address(page: str, priority: str) -> str:
    """The page with the records that bear the mark, most informative first.

    Args:
        page: of the dataset.
        priority: name of that metadata in the dataset.
    """
    query = {
        "page": 1,
        "status": "pending",
        "metadata": f"{PROPERTY}.{OPEN}",
        "sort": f"metadata.{priority}.desc",
    }
    return f"{page}?{urlencode(query)}"
