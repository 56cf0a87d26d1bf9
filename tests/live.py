"""A real embedded Argilla for tests, with three annotators besides its owner."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx

from loopd.server.embedded import EmbeddedServer, create_annotator
from tests.guard import GUARDS, Guard
from tests.people import ArgillaPeople, client_of, ids_of

NAMES = ("ann", "bob", "cyd")


@dataclass
class LiveArgilla:
    """The server and the keys of its people.

    ``templates`` are ids of datasets to copy, by what they are like.
    """

    server: EmbeddedServer
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    templates: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, home: Path) -> LiveArgilla:
        server = EmbeddedServer(home, ready_within=240).start()
        live = cls(server)
        for name in NAMES:
            account = create_annotator(
                server.url, server.owner.api_key, name, workspace=server.workspace
            )
            live.keys[name] = account.api_key
        return live

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def owner_key(self) -> str:
        return self.server.owner.api_key

    @property
    def guard(self) -> Guard:
        """In the server's database; one that sees nothing where it is no embedded server."""
        return GUARDS.of(self.server)

    @cached_property
    def ids(self) -> dict[str, str]:
        """Of the people, by name."""
        with ExitStack() as stack:
            clients = {
                name: stack.enter_context(client_of(self.url, key))
                for name, key in self.keys.items()
            }
            return ids_of(clients)

    @property
    def webhooks(self) -> list[dict[str, str]]:
        """All that there are, of every test."""
        headers = {"X-Argilla-Api-Key": self.owner_key}
        found: dict[str, list[dict[str, str]]] = httpx.get(
            f"{self.url}/api/v1/webhooks", headers=headers
        ).json()
        return found["items"]

    def people(self, dataset: str) -> ArgillaPeople:
        """Those of the server, at one dataset; what they change is no loss."""
        place, hand = (self.server.workspace, dataset), self.guard.own_hand
        return ArgillaPeople(
            self.url, self.owner_key, self.keys, place, ids=self.ids, own_hand=hand
        )
