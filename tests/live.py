"""A real Argilla for tests, with three annotators besides its owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from loopd.config import ArgillaSection
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.embedded_argilla.options import Account
from tests.guard import GUARDS, Guard
from tests.people import ArgillaPeople, client_of, ids_of, key_headers

NAMES = ("ann", "bob", "cyd")


@dataclass
class LiveArgilla:
    """The server and the keys of its people.

    Attributes:
        server: the embedded one, or another with the same verbs; see ``tests.servers``.
        keys: by the name of the person.
        lacks: reason by what tests may need that this server does not have.
        after: ends what the server uses.
        templates: ids of datasets to copy, by what they are like.
    """

    server: Any
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    lacks: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[], None] = lambda: None
    templates: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(
        cls, home: Path, *, after: Callable[[], None] = lambda: None, **options: Any
    ) -> LiveArgilla:
        """The embedded server, and people in it.

        Args:
            home: a folder for it.
            after: ends what it uses.
            options: more of the embedded server's.
        """
        live = cls(EmbeddedServer(home, ready_within=240, **options), after=after)
        try:
            live.server.start()
            return live.with_people()
        except BaseException:
            live.stop()
            raise

    def with_people(self, ending: str = "") -> LiveArgilla:
        """The same, with an account for each of the names.

        Args:
            ending: of the accounts' names.
        """
        for name in NAMES:
            self.keys[name] = self.hire(name + ending).api_key
        return self

    def stop(self) -> None:
        """End the server, and what it uses."""
        self.server.stop()
        self.after()

    @property
    def url(self) -> str:
        return str(self.server.url)

    @property
    def owner_key(self) -> str:
        return str(self.server.owner.api_key)

    @property
    def workspace(self) -> str:
        return str(self.server.workspace)

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
        with client_of(self.url, self.owner_key) as client:
            items: list[dict[str, str]] = client.get("webhooks").json()["items"]
        return items

    def section(self, dataset: str, **more: Any) -> ArgillaSection:
        """The configuration's section for a dataset of this name here."""
        named = {"url": self.url, "workspace": self.workspace, "dataset": dataset}
        return ArgillaSection.model_validate({**named, **more})

    def sdk_client(self) -> Any:
        """A client of Argilla's own SDK, with the owner's key."""
        import argilla as rg

        headers = key_headers(self.owner_key)
        return rg.Argilla(api_url=self.url, api_key=self.owner_key, headers=headers)

    def people(self, dataset: str) -> ArgillaPeople:
        """Those of the server, at one dataset; what they change is no loss."""
        place, hand = (self.workspace, dataset), self.guard.own_hand
        return ArgillaPeople(
            self.url, self.owner_key, self.keys, place, ids=self.ids, own_hand=hand
        )

    def hire(self, name: str) -> Account:
        """Make an account, a member of the workspace."""
        with client_of(self.url, self.owner_key) as client:
            space = next(
                space["id"]
                for space in _ok(client.get("me/workspaces")).json()["items"]
                if space["name"] == self.workspace
            )
            password = "long enough for everybody"
            body = {"username": name, "first_name": name, "password": password}
            user = _ok(client.post("users", json={**body, "role": "annotator"})).json()
            _ok(client.post(f"workspaces/{space}/users", json={"user_id": user["id"]}))
        return Account(name, password, user["api_key"])


def _ok(response: httpx.Response) -> httpx.Response:
    if response.status_code >= 300:
        raise RuntimeError(f"{response.url}: HTTP {response.status_code}: {response.text[:300]}")
    return response
