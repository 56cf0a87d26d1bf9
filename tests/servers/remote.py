"""Owns a stay on a server that others run: in a workspace of its own; must touch nothing else.

What the tests make is deleted in the end: datasets and accounts of that workspace, and itself.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from loopd.annotation.server_version import engine_of, version_of
from loopd.embedded_argilla.options import Account
from tests.live import NAMES, LiveArgilla
from tests.people import client_of
from tests.servers import (
    DATABASE_LISTS,
    ENGINE,
    FILES,
    FORK,
    MANY_LABELS,
    OSMEM,
    PROCESS,
    WEBHOOKS,
    Server,
    by,
)

AWAY = "it is not ours to stop, and its files are elsewhere"


def describe(url: str, owner_key: str) -> Server:
    """What a server is, and what it lacks, by its own words.

    Args:
        url: of the server.
        owner_key: of an owner.

    Raises:
        ValueError: nobody answers there.
    """
    try:
        with client_of(url.rstrip("/"), owner_key) as client:
            status = client.get("status").raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ValueError(f"no Argilla answers at {url}: {error}") from None
    version, engine = version_of(status, is_fork=False), engine_of(status)
    launch = by("tests.servers.remote", url, owner_key)
    return Server(str(version), "its own", engine, launch, _lacks(str(version), engine, status))


def _lacks(version: str, engine: str, status: Any) -> dict[str, str]:
    lacks = {FILES: AWAY, PROCESS: AWAY, MANY_LABELS: "whoever runs it says how many it takes"}
    if engine != "loopd":
        lacks[ENGINE] = "it has a search engine of its own"
    if "osmem" in str(status):
        lacks |= OSMEM
    if version.startswith("Extralit"):
        lacks |= FORK
    number = re.search(r"Argilla (\d+)\.(\d+)", version)
    release = (int(number[1]), int(number[2])) if number else (9, 9)
    if release < (2, 5):
        lacks[WEBHOOKS] = "it has none: they came with 2.5"
    if release < (2, 3):
        lacks[DATABASE_LISTS] = "loopd refuses it: it lists from its index"
    return lacks


class RemoteServer:
    """A server at an address, with those verbs of the embedded one that others may use.

    Args:
        url: of the server.
        owner_key: of an owner.

    Raises:
        RuntimeError: the server refuses.
    """

    def __init__(self, url: str, owner_key: str) -> None:
        self.url = url.rstrip("/")
        self.workspace = f"loopd-check-{uuid.uuid4().hex[:8]}"
        self._client = client_of(self.url, owner_key, timeout=60)
        me = self._call("GET", "me")
        if me["role"] != "owner":
            raise RuntimeError(f"`{me['username']}` is no owner of {url}, but {me['role']}")
        self.owner = Account(me["username"], "", owner_key)
        self._space = self._call("POST", "workspaces", {"name": self.workspace})["id"]
        self.annotator: Account

    def are_free(self, names: Iterable[str]) -> bool:
        """Whether nobody there is called so."""
        users = self._call("GET", "users")["items"]
        return not {user["username"] for user in users} & set(names)

    def stop(self) -> None:
        """Leave the server as it was."""
        datasets = self._call("GET", f"me/datasets?workspace_id={self._space}")["items"]
        paths = [f"datasets/{one['id']}" for one in datasets]
        users = self._call("GET", f"workspaces/{self._space}/users")["items"]
        paths += [f"users/{one['id']}" for one in users if one["role"] == "annotator"]
        refused = [path for path in [*paths, f"workspaces/{self._space}"] if not self._gone(path)]
        self._client.close()
        if refused:
            raise RuntimeError(f"{self.url} keeps {refused}: remove them by hand")

    def _gone(self, path: str) -> bool:
        return self._client.delete(path).status_code in (200, 204, 404)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        response: httpx.Response = self._client.request(method, path, json=body)
        if response.status_code >= 300:
            raise RuntimeError(f"{path}: HTTP {response.status_code}: {response.text[:300]}")
        return response.json()


def start(home: Path, url: str, owner_key: str) -> LiveArgilla:
    """People in a workspace of their own on a server that is there.

    Args:
        home: unused.
        url, owner_key: of the server.
    """
    server = RemoteServer(url, owner_key)
    live = LiveArgilla(server)
    try:
        end = server.workspace.rpartition("-")[2]
        server.annotator = live.hire(f"annotator-{end}")
        return live.with_people("" if server.are_free(NAMES) else f"-{end}")
    except BaseException:
        server.stop()
        raise
