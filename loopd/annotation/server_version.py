"""Owns what a server is, by its own words, and which are too old; must not send anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from loopd.errors import ArgillaError

OLDEST = (2, 3)
"""Before it, Argilla listed records from its search index, which may lack some that are there."""

_FORK = "Extralit"


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What a server says of itself.

    Attributes:
        product: ``Argilla``, or ``Extralit`` for that fork of it.
        number: of its version, as it writes it; empty where it does not say.
    """

    product: str
    number: str

    def __str__(self) -> str:
        return f"{self.product} {self.number or 'of an unknown version'}"

    def refuse_old(self, url: str) -> None:
        """Refuse a version on which loopd would lose records.

        Raises:
            ArgillaError: it is older than 2.3.
        """
        match = re.match(r"(\d+)\.(\d+)", self.number)
        if self.product == _FORK or match is None:
            return
        if (int(match[1]), int(match[2])) < OLDEST:
            raise ArgillaError(
                f"the server at {url} is Argilla {self.number}, and loopd needs 2.3 or later: "
                "older ones list records from the search index, which may lack some",
                "update the server; its data stay as they are",
            )


def version_of(answer: Any, *, is_fork: bool) -> ServerVersion:
    """What a server is.

    Args:
        answer: to ``GET version``; ``None`` where the server has no such route.
        is_fork: whether it wants the key in the header of Argilla's fork.
    """
    number = str(answer["version"]) if answer is not None else ""
    # No Argilla that has this API was ever called 0.
    return ServerVersion(_FORK if is_fork or number.startswith("0.") else "Argilla", number)


def engine_of(answer: Any) -> str:
    """Name and version of the search engine, empty where the server does not say.

    Args:
        answer: to ``GET status``.
    """
    engine = answer.get("search_engine")
    if not isinstance(engine, dict):
        return ""
    version = engine.get("version")
    if isinstance(version, dict):
        name = str(version.get("distribution") or "Elasticsearch")
        return f"{_NAMES.get(name, name)} {version.get('number', '')}".strip()
    return str(engine.get("name") or "")


_NAMES = {"opensearch": "OpenSearch", "elasticsearch": "Elasticsearch"}
