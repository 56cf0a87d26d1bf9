"""Owns the names of the servers on which the tests can run; must not start or import any of them.

``pytest --argilla NAME`` runs the tests that need an Argilla on the server of that name,
``pytest --argilla URL`` on any that is there already.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EMBEDDED = "embedded"

ENGINE = "own engine"
"""What a test needs that is about the order and the words of loopd's search engine."""

FILES = "files"
"""What a test needs that reads what ``loopd serve`` keeps in its home."""

PAGES = "pages with loopd's script"
"""What a test needs that looks at what ``loopd serve`` adds to Argilla's pages."""

VECTORS = "vectors"
"""What a test needs that asks for similar records."""

EXTREMES = "extremes"
"""What a test needs that sorts by the greatest of several values."""

PROCESS = "process"
"""What a test needs that kills the server, or starts it again."""

WEBHOOKS = "webhooks"

SDK = "sdk"
"""What a test needs that has Argilla's own SDK ask, without a word of ours."""

TWO_LABELS = "two labels at least"
FIXED_LABELS = "fixed labels"
MANY_LABELS = "many labels"

DATABASE_LISTS = "lists from the database"
"""What loopd itself needs: records are listed as the database has them."""

ITS_OWN = {
    ENGINE: "it has a search engine of its own",
    FILES: "it is not `loopd serve`",
    PAGES: "it is not `loopd serve`",
}
OSMEM = {
    VECTORS: "osmem-server finds nothing by its vector",
    EXTREMES: "osmem-server takes another of several values to sort by",
}
ON_OSMEM = {**ITS_OWN, **OSMEM}


@dataclass(frozen=True)
class Server:
    """A server to run tests on.

    Attributes:
        title: product and version.
        database, search: what it keeps its data in, and what it searches with.
        launch: starts it in a folder; returns a ``LiveArgilla``.
        lacks: reason by what a test may need that it does not have.
        whole: whether all contracts run on it, or one probe and one run.
    """

    title: str
    database: str
    search: str
    launch: Callable[[Path], Any]
    lacks: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True

    def start(self, home: Path) -> Any:
        """The ``LiveArgilla``, started.

        Args:
            home: a folder for it.
        """
        return self.launch(home)


def by(module: str, *arguments: str) -> Callable[[Path], Any]:
    """A launcher that is imported when it is needed."""

    def launch(home: Path) -> Any:
        return importlib.import_module(module).start(home, *arguments)

    return launch


def _embedded(home: Path) -> Any:
    return importlib.import_module("tests.live").LiveArgilla.start(home)


def _stock(version: str, **lacks: str) -> Server:
    return Server(
        f"argilla-server {version}",
        "SQLite",
        "its own OpenSearch engine, on osmem-server",
        by("tests.servers.stock", f"argilla-{version}"),
        {**ON_OSMEM, **lacks},
        whole=False,
    )


FORK = {
    SDK: "it wants the key in a header that Argilla's SDK does not send",
    TWO_LABELS: "it takes a question with one label",
    FIXED_LABELS: "it takes new labels for a question that is published",
}
NO_WEBHOOKS = {WEBHOOKS: "it has none: they came with 2.5"}

SERVERS: Mapping[str, Server] = {
    EMBEDDED: Server("loopd serve (argilla-server 2.8.0)", "SQLite", "loopd's engine", _embedded),
    "postgresql": Server(
        "loopd serve (argilla-server 2.8.0)",
        "PostgreSQL 15, redis-server",
        "loopd's engine",
        by("tests.servers.postgresql"),
    ),
    "opensearch": Server(
        "argilla-server 2.8.0",
        "SQLite",
        "its own OpenSearch engine, on osmem-server",
        by("tests.servers.stock", ""),
        ON_OSMEM,
    ),
    "extralit": Server(
        "extralit-server 0.7.2",
        "SQLite",
        "its own OpenSearch engine, on osmem-server",
        by("tests.servers.stock", "extralit", "extralit_server"),
        {**ON_OSMEM, **FORK},
    ),
    "argilla-2.7.1": _stock("2.7.1"),
    "argilla-2.6.0": _stock("2.6.0"),
    "argilla-2.5.0": _stock("2.5.0"),
    "argilla-2.4.1": _stock("2.4.1", **NO_WEBHOOKS),
    "argilla-2.3.1": _stock("2.3.1", **NO_WEBHOOKS),
    "argilla-2.2.0": _stock(
        "2.2.0", **NO_WEBHOOKS, **{DATABASE_LISTS: "loopd refuses it: it lists from its index"}
    ),
}


def server_of(name: str, owner_key: str) -> Server:
    """The server of a name, or at a URL.

    Args:
        name: one of ``SERVERS``, or an address.
        owner_key: of the server at the address.

    Raises:
        ValueError: there is none of that name, the key is absent, or nobody answers there.
    """
    if name in SERVERS:
        return SERVERS[name]
    if "://" not in name:
        raise ValueError(f"no server `{name}`: it is one of {', '.join(SERVERS)}, or a URL")
    if not owner_key:
        raise ValueError("ARGILLA_API_KEY must hold the key of an owner of that server")
    server: Server = importlib.import_module("tests.servers.remote").describe(name, owner_key)
    return server
