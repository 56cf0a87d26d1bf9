"""A dataset as a whole: settings, records, all that hangs on them.

From Argilla's tables where the server is the embedded one, else from its HTTP API. Nothing here
goes through loopd's client, schema or store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from tests.faults import tables
from tests.live import LiveArgilla
from tests.people import client_of

Json = dict[str, Any]

MOVES = frozenset({"inserted_at", "updated_at", "last_activity_at"})
"""What changes with every answer."""

PAGE = 500


@dataclass(frozen=True)
class Proposal:
    """A suggestion."""

    agent: str | None
    value: Any
    score: Any
    kind: str | None


@dataclass(frozen=True)
class Reply:
    """A response: its status, and its values as they were sent."""

    status: str
    values: Any


@dataclass(frozen=True)
class Entry:
    """A record with all that hangs on it.

    Attributes:
        external_id: ``None`` where nobody gave one.
        fields, metadata: by name.
        suggestions: by name of the question.
        responses: by the person's id.
        vectors: by name.
    """

    external_id: str | None
    fields: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    suggestions: Mapping[str, Proposal] = field(default_factory=dict)
    responses: Mapping[str, Reply] = field(default_factory=dict)
    vectors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether somebody has submitted or discarded it."""
        return any(reply.status != "draft" for reply in self.responses.values())


@dataclass(frozen=True)
class Whole:
    """All of a dataset.

    Attributes:
        settings: of the dataset itself: name, guidelines, distribution and so on.
        parts: fields, questions, metadata properties and vectors' settings, each kind by name.
        records: by the server's id.
    """

    settings: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]
    records: Mapping[str, Entry]


class GoneError(RuntimeError):
    """Argilla knows nothing of what a request is about."""


class Owner:
    """The owner's requests, each of them as it is, and the tables behind them.

    Args:
        live: the server.
        key: of an account; the owner's where it is empty.
    """

    def __init__(self, live: LiveArgilla, key: str = "") -> None:
        self._workspace = live.workspace
        self._client = client_of(live.url, key or live.owner_key, timeout=60)
        self.database = live.guard.database

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The JSON answer.

        Raises:
            RuntimeError: Argilla refuses; the message has its words.
            GoneError: it answers 404.
        """
        response = self._client.request(method, path, json=body, params=params)
        if response.status_code >= 300:
            error = GoneError if response.status_code == HTTPStatus.NOT_FOUND else RuntimeError
            raise error(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return response.json() if response.content else None

    def workspace_id(self) -> str:
        spaces = self.call("GET", "me/workspaces")["items"]
        return next(str(space["id"]) for space in spaces if space["name"] == self._workspace)

    def dataset_id(self, name: str) -> str | None:
        """Of the dataset of this name, ``None`` where there is none."""
        if self.database is not None:
            return tables.dataset_id(self.database, name, self._workspace)
        datasets = self.call("GET", "me/datasets", workspace_id=self.workspace_id())["items"]
        return next((str(one["id"]) for one in datasets if one["name"] == name), None)

    def settings(self, dataset_id: str) -> tuple[Json, dict[str, dict[str, Json]]]:
        """The dataset's own, and its parts by kind and name."""
        if self.database is not None:
            return tables.settings(self.database, dataset_id)
        parts = {
            kind: {part["name"]: part for part in self.call("GET", path)["items"]}
            for kind, path in _paths(dataset_id).items()
        }
        return self.call("GET", f"datasets/{dataset_id}"), parts

    def records(self, dataset_id: str) -> Iterator[Json]:
        """All records, with suggestions, responses and vectors."""
        if self.database is not None:
            yield from tables.records(self.database, dataset_id)
            return
        parts = ["responses", "suggestions", "vectors"]
        offset, total = 0, 1
        while offset < total:
            path = f"datasets/{dataset_id}/records"
            page = self.call("GET", path, include=parts, limit=PAGE, offset=offset)
            total = page["total"] if page["items"] else 0
            offset += len(page["items"])
            yield from page["items"]


def whole(owner: Owner, name: str) -> Whole | None:
    """The dataset of this name as it is now; ``None`` where there is none."""
    dataset_id = owner.dataset_id(name)
    if dataset_id is None:
        return None
    own, parts = owner.settings(dataset_id)
    parts = {
        kind: {name: _still(part) for name, part in of_kind.items()}
        for kind, of_kind in parts.items()
    }
    return again(owner, Whole(_still(own), parts, {}))


def still_there(owner: Owner, name: str) -> Whole:
    """The same of a dataset that must be there.

    Raises:
        RuntimeError: it is gone.
    """
    there = whole(owner, name)
    if there is None:
        raise RuntimeError("the dataset is gone")
    return there


def again(owner: Owner, there: Whole) -> Whole:
    """The same with the records as they are now: where nobody changes a setting."""
    names = {question["id"]: name for name, question in there.parts["questions"].items()}
    records = owner.records(there.settings["id"])
    return replace(there, records={record["id"]: entry(record, names) for record in records})


def entry(record: Json, questions: Mapping[str, str]) -> Entry:
    """A record as the API lists it.

    Args:
        record: with whatever was asked for.
        questions: name by id.
    """
    proposals = {
        questions[one["question_id"]]: Proposal(
            one["agent"], one["value"], one["score"], one["type"]
        )
        for one in record.get("suggestions") or ()
    }
    replies = {
        str(one["user_id"]): Reply(one["status"], one["values"])
        for one in record.get("responses") or ()
    }
    return Entry(
        external_id=record["external_id"],
        fields=record["fields"],
        metadata=record["metadata"] or {},
        suggestions=proposals,
        responses=replies,
        vectors=record.get("vectors") or {},
    )


def _paths(dataset_id: str) -> dict[str, str]:
    return {
        "fields": f"datasets/{dataset_id}/fields",
        "questions": f"datasets/{dataset_id}/questions",
        "metadata properties": f"me/datasets/{dataset_id}/metadata-properties",
        "vectors' settings": f"datasets/{dataset_id}/vectors-settings",
    }


def _still(part: Json) -> Json:
    return {key: value for key, value in part.items() if key not in MOVES}
