"""A real embedded Argilla for tests, with three annotators besides its owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loopd.server.embedded import EmbeddedServer, create_annotator
from tests.people import ArgillaPeople

NAMES = ("ann", "bob", "cyd")


@dataclass
class LiveArgilla:
    """The server and the keys of its people."""

    server: EmbeddedServer
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    after: Callable[[], None] = lambda: None

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        after: Callable[[], None] = lambda: None,
    ) -> LiveArgilla:
        """Start it; ``environment`` holds options of `loopd serve`, ``after`` ends what it uses."""
        server = EmbeddedServer(home, ready_within=240, environment=environment)
        try:
            live = cls(server.start(), after=after)
        except BaseException:
            after()
            raise
        for name in NAMES:
            account = create_annotator(
                server.url, server.owner.api_key, name, workspace=server.workspace
            )
            live.keys[name] = account.api_key
        return live

    def stop(self) -> None:
        """End the server and what it uses."""
        self.server.stop()
        self.after()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def owner_key(self) -> str:
        return self.server.owner.api_key

    @property
    def webhooks(self) -> list[dict[str, str]]:
        """All that there are, of every test."""
        headers = {"X-Argilla-Api-Key": self.owner_key}
        found: dict[str, list[dict[str, str]]] = httpx.get(
            f"{self.url}/api/v1/webhooks", headers=headers
        ).json()
        return found["items"]

    def people(self, dataset: str) -> ArgillaPeople:
        return ArgillaPeople(self.url, self.owner_key, self.keys, (self.server.workspace, dataset))
