"""People who answer on a real Argilla over its HTTP API, with the in-memory store's verbs."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import httpx

from loopd.records import Suggestion

GUEST = "a guest's text, number "
"""How the texts begin that are no business of a run's: the people of tests leave them alone."""


def is_guest(fields: Mapping[str, Any]) -> bool:
    """Whether a record with these fields is no business of a run's."""
    return any(str(value).startswith(GUEST) for value in fields.values())


SHORT_REST = httpx.Limits(keepalive_expiry=2.0)
"""A connection rests for less than the five seconds after which the server closes it."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. A client that is not told so reads all certificates there are, for 60 ms."""


class ArgillaPeople:
    """Answers as several annotators; every method is one person's click.

    ``edits`` are the dataset's settings that they changed.

    Args:
        url: address of the server.
        owner_key: API key of the owner, who sees everything.
        keys: API key by person's name.
        place: names of the workspace and the dataset.
        ids: by person's name; asked for where there are none.
        own_hand: what a guard is told of changes in; see :mod:`tests.guard`.
    """

    def __init__(
        self,
        url: str,
        owner_key: str,
        keys: dict[str, str],
        place: tuple[str, str],
        *,
        ids: Mapping[str, str] | None = None,
        own_hand: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._url = url
        self._owner = client_of(url, owner_key)
        self._people = {name: client_of(url, key) for name, key in keys.items()}
        self.ids = dict(ids or ids_of(self._people))
        self._own_hand = own_hand
        self._workspace, self._dataset = place
        self.edits: dict[str, Any] = {}
        self._record_ids: dict[str, str] = {}
        self._response_ids: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        for client in (self._owner, *self._people.values()):
            client.close()

    @cached_property
    def _dataset_id(self) -> str:
        return str(self.dataset["id"])

    @property
    def dataset(self) -> dict[str, Any]:
        found = self._owner.get("me/datasets").json()["items"]
        return next(each for each in found if each["name"] == self._dataset)

    def records(self) -> list[dict[str, Any]]:
        """All but those that are no business of a run's."""
        params: dict[str, list[str] | int] = {
            "include": ["responses", "suggestions"],
            "limit": 1000,
        }
        path = f"datasets/{self._dataset_id}/records"
        items: list[dict[str, Any]] = self._owner.get(path, params=params).json()["items"]
        return [record for record in items if not is_guest(record["fields"])]

    def record(self, record_id: str) -> dict[str, Any]:
        return next(each for each in self.records() if each["external_id"] == record_id)

    def text(self, record_id: str) -> str:
        return str(self.record(record_id)["fields"]["text"])

    def suggestion(self, record_id: str) -> Suggestion | None:
        found = self.record(record_id)["suggestions"]
        return Suggestion(found[0]["value"], found[0]["score"]) if found else None

    def open_records(self, person: str) -> tuple[str, ...]:
        user = self.ids.get(person)
        return tuple(
            record["external_id"]
            for record in self.records()
            if all(response["user_id"] != user for response in record["responses"])
        )

    def submit(self, record_id: str, person: str, value: object) -> None:
        self._respond(record_id, person, "submitted", {"label": {"value": value}})

    def discard(self, record_id: str, person: str) -> None:
        self._respond(record_id, person, "discarded", {"label": {"value": "fruit"}})

    def discard_null(self, record_id: str, person: str) -> None:
        """Without values: Argilla takes it, and then fails to index it."""
        path, body = f"records/{self._record_id(record_id)}/responses", {"status": "discarded"}
        headers = {"Connection": "close"}  # the server hangs up after a 500
        refused = self._people[person].post(path, json={**body, "values": None}, headers=headers)
        if refused.status_code != 500:
            raise RuntimeError(f"HTTP {refused.status_code} for a discard with null")
        given = self.record(record_id)["responses"]
        mine = next(response for response in given if response["user_id"] == self.ids[person])
        self._response_ids[record_id, person] = mine["id"]

    def draft(self, record_id: str, person: str, value: object) -> None:
        self._respond(record_id, person, "draft", {"label": {"value": value}})

    def withdraw(self, record_id: str, person: str) -> None:
        response_id = self._response_ids.pop((record_id, person))
        _ok(self._people[person].delete(f"responses/{response_id}"))

    def delete(self, record_id: str) -> None:
        with self._own_hand():
            _ok(self._owner.delete(f"records/{self._record_id(record_id)}"))

    def hire(self, name: str) -> None:
        """A new annotator of the workspace."""
        body = {"username": name, "first_name": name, "password": "a long password"}
        user = _ok(self._owner.post("users", json={**body, "role": "annotator"})).json()
        spaces = _ok(self._owner.get("me/workspaces")).json()["items"]
        space = next(space["id"] for space in spaces if space["name"] == self._workspace)
        _ok(self._owner.post(f"workspaces/{space}/users", json={"user_id": user["id"]}))
        self._people[name] = client_of(self._url, user["api_key"])
        self.ids[name] = user["id"]

    def dismiss(self, name: str) -> None:
        """Delete the account, and with it its answers."""
        self._people.pop(name).close()
        _ok(self._owner.delete(f"users/{self.ids.pop(name)}"))

    def change_dataset(self, **settings: Any) -> None:
        """Edit the dataset's settings, as the settings page does."""
        with self._own_hand():
            _ok(self._owner.patch(f"datasets/{self._dataset_id}", json=settings))
        self.edits.update(settings)

    def drop(self) -> None:
        with self._own_hand():
            _ok(self._owner.delete(f"datasets/{self.dataset['id']}"))

    def _record_id(self, record_id: str) -> str:
        if record_id not in self._record_ids:
            self._record_ids = {each["external_id"]: each["id"] for each in self.records()}
        return self._record_ids[record_id]

    def _respond(self, record_id: str, person: str, status: str, values: object) -> None:
        client, key = self._people[person], (record_id, person)
        body = {"status": status, "values": values}
        if key in self._response_ids:
            _ok(client.put(f"responses/{self._response_ids[key]}", json=body))
            return
        created = _ok(client.post(f"records/{self._record_id(record_id)}/responses", json=body))
        self._response_ids[key] = created.json()["id"]


def key_headers(key: str) -> dict[str, str]:
    """The key as Argilla's server wants it, and as Extralit's does."""
    return {"X-Argilla-Api-Key": key, "X-Extralit-Api-Key": key}


def ids_of(clients: Mapping[str, httpx.Client]) -> dict[str, str]:
    """Whose requests these are, by the same names."""
    return {name: client.get("me").json()["id"] for name, client in clients.items()}


def client_of(url: str, key: str, timeout: float = 30) -> httpx.Client:
    """Requests as they are, below the API's path."""
    return httpx.Client(
        base_url=f"{url}/api/v1/",
        headers=key_headers(key),
        timeout=timeout,
        trust_env=False,
        limits=SHORT_REST,
        verify=NO_TLS,
    )


def _ok(response: httpx.Response) -> httpx.Response:
    if response.status_code >= 300:
        raise RuntimeError(f"HTTP {response.status_code}: {response.text[:300]}")
    return response
