"""One real embedded server for nearly every test, and a client for Argilla's HTTP API.

The client is plain HTTP on purpose: the contract is Argilla's API, and a test then shows what goes
over the wire.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from loopd.embedded_argilla import Account, EmbeddedServer
from tests.live import LiveArgilla
from tests.people import key_headers

DEADLINE_SECONDS = 90.0


@dataclass
class Dataset:
    """A published dataset with the ids that Argilla gave to its parts and records."""

    id: str
    owner: Api
    questions: dict[str, str] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)

    def log(self, *records: dict[str, Any]) -> None:
        """Upsert records given as {id, fields, metadata, vectors, suggestions: {question: ...}}."""
        items = [self._item(record) for record in records]
        logged = self.owner.put(f"datasets/{self.id}/records/bulk", {"items": items})
        self.records.update({item["external_id"]: item["id"] for item in logged["items"]})

    def _item(self, record: dict[str, Any]) -> dict[str, Any]:
        suggestions = [
            {"question_id": self.questions[name], **suggestion}
            for name, suggestion in record.get("suggestions", {}).items()
        ]
        rest = {key: value for key, value in record.items() if key not in ("id", "suggestions")}
        return {"external_id": record["id"], "suggestions": suggestions, **rest}


@dataclass
class Api:
    """Argilla's API as one account sees it; paths are relative to /api/v1/."""

    client: httpx.Client
    account: Account
    workspace: str = "loopd"

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.client.request(method, path, json=body)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        response = self.request(method, path, body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def get(self, path: str) -> Any:
        return self.ok("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self.ok("POST", path, body)

    def put(self, path: str, body: Any = None) -> Any:
        return self.ok("PUT", path, body)

    def create_dataset(
        self,
        fields: dict[str, str],
        questions: dict[str, dict[str, Any]],
        metadata: dict[str, str] | None = None,
        vectors: dict[str, int] | None = None,
        min_submitted: int = 1,
    ) -> Dataset:
        """Publish a dataset; the first field and the first question are required."""
        spaces = self.get("me/workspaces")["items"]
        workspace = next(space["id"] for space in spaces if space["name"] == self.workspace)
        made = self.post(
            "datasets",
            {
                "name": f"test-{uuid.uuid4().hex[:12]}",
                "workspace_id": workspace,
                "distribution": {"strategy": "overlap", "min_submitted": min_submitted},
            },
        )
        dataset = Dataset(made["id"], self)
        path = f"datasets/{dataset.id}"
        for number, (name, kind) in enumerate(fields.items()):
            part = {"name": name, "title": name, "required": number == 0}
            self.post(f"{path}/fields", {**part, "settings": field_settings(kind)})
        for number, (name, settings) in enumerate(questions.items()):
            part = {"name": name, "title": name, "required": number == 0}
            question = self.post(f"{path}/questions", {**part, "settings": settings})
            dataset.questions[name] = question["id"]
        for name, kind in (metadata or {}).items():
            part = {"name": name, "title": name, "settings": {"type": kind}}
            self.post(f"{path}/metadata-properties", {**part, "visible_for_annotators": True})
        for name, dimensions in (vectors or {}).items():
            part = {"name": name, "title": name, "dimensions": dimensions}
            self.post(f"{path}/vectors-settings", part)
        self.put(f"{path}/publish")
        return dataset

    def respond(
        self, dataset: Dataset, record: str, status: str = "submitted", **values: Any
    ) -> dict[str, Any]:
        wrapped = {name: {"value": value} for name, value in values.items()}
        body = {"status": status, "values": wrapped}
        made: dict[str, Any] = self.post(f"records/{dataset.records[record]}/responses", body)
        return made

    def search(
        self,
        dataset: Dataset,
        *filters: dict[str, Any],
        query: dict[str, Any] | None = None,
        sort: list[dict[str, Any]] | None = None,
        me: bool = False,
        page: str = "",
    ) -> dict[str, Any]:
        """Search as the SDK does, or as the UI does (`me`)."""
        body = {
            "query": query,
            "sort": sort,
            "filters": {"and": list(filters)} if filters else None,
        }
        prefix = "me/" if me else ""
        path = f"{prefix}datasets/{dataset.id}/records/search{page}"
        asked = {key: value for key, value in body.items() if value is not None}
        result: dict[str, Any] = self.post(path, asked)
        return result

    def found(self, dataset: Dataset, *filters: dict[str, Any], **search: Any) -> list[str]:
        """Return the ids of the records found, in order, after checking that `total` agrees."""
        result = self.search(dataset, *filters, **search)
        ids = [item["record"]["external_id"] for item in result["items"]]
        assert result["total"] == len(ids)
        return ids


LABEL = {
    "type": "label_selection",
    "options": [{"value": value, "text": value} for value in ("card", "refund", "other")],
}


def field_settings(kind: str) -> dict[str, Any]:
    if kind == "custom":
        return {"type": kind, "template": "<p>{{record.fields.custom.a}}</p>"}
    return {"type": kind, "use_markdown": False} if kind in ("text", "chat") else {"type": kind}


@contextmanager
def api_for(url: str, account: Account, workspace: str = "loopd") -> Iterator[Api]:
    headers = key_headers(account.api_key)
    with httpx.Client(
        base_url=f"{url}/api/v1/", headers=headers, trust_env=False, timeout=60.0
    ) as client:
        yield Api(client, account, workspace)


@pytest.fixture(scope="session")
def server(argilla: LiveArgilla) -> EmbeddedServer:
    server: EmbeddedServer = argilla.server
    return server


@pytest.fixture(scope="session")
def owner(server: EmbeddedServer) -> Iterator[Api]:
    with api_for(server.url, server.owner, server.workspace) as api:
        yield api


@pytest.fixture(scope="session")
def annotator(server: EmbeddedServer) -> Iterator[Api]:
    with api_for(server.url, server.annotator) as api:
        yield api


@pytest.fixture(scope="session")
def second_annotator(argilla: LiveArgilla) -> Iterator[Api]:
    account = argilla.hire(f"second-{uuid.uuid4().hex[:6]}")
    with api_for(argilla.url, account) as api:
        yield api


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a condition holds, within a deadline."""

    def wait(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "the deadline has passed"
            pause.wait(0.02)  # leaves the processor to what is waited for

    return wait


@pytest.fixture(scope="session")
def label_question() -> dict[str, Any]:
    return LABEL


@pytest.fixture(scope="session")
def contract(owner: Api, annotator: Api, second_annotator: Api) -> Dataset:
    """The dataset that the contract tests read; no test may write to it.

    It has every kind of field, question and metadata; records r1 to r8, of which r7 has nothing but
    its required field.
    """
    dataset = owner.create_dataset(
        fields={
            "text": "text",
            "note": "text",
            "chat": "chat",
            "custom": "custom",
            "image": "image",
        },
        questions={
            "label": LABEL,
            "topics": {
                **LABEL,
                "type": "multi_label_selection",
                "options": _options("fast", "kind"),
            },
            "rating": {"type": "rating", "options": [{"value": value} for value in range(6)]},
            "comment": {"type": "text", "use_markdown": False},
        },
        metadata={
            "source": "terms",
            "tags": "terms",
            "length": "integer",
            "cost": "float",
            "priority": "float",
        },
        vectors={"sense": 3},
        min_submitted=2,
    )
    dataset.log(*_RECORDS[:4])
    dataset.log(*_RECORDS[4:])
    annotator.respond(dataset, "r1", label="card", rating=5)
    second_annotator.respond(dataset, "r1", label="refund", rating=2)
    annotator.respond(dataset, "r2", "discarded")
    annotator.respond(dataset, "r3", "draft", label="refund")
    second_annotator.respond(dataset, "r5", label="card", topics=["fast"], rating=3)
    return dataset


def _options(*values: str) -> list[dict[str, str]]:
    return [{"value": value, "text": value} for value in values]


_RECORDS: list[dict[str, Any]] = [
    {
        "id": "r1",
        "fields": {
            "text": "My card payment was declined",
            "note": "very urgent",
            "chat": [
                {"role": "user", "content": "Hello wide world"},
                {"role": "assistant", "content": "Good morning"},
            ],
            "custom": {"a": "An orange value", "b": 100},
            "image": "https://example.com/declined.png",
        },
        "metadata": {
            "source": "web",
            "tags": ["a", "b"],
            "length": 5,
            "cost": 1.5,
            "priority": 0.2,
        },
        "vectors": {"sense": [1.0, 0.0, 0.0]},
        "suggestions": {
            "label": {"value": "card", "score": 0.9, "agent": "model-a", "type": "model"},
            "rating": {"value": 4},
        },
    },
    {
        "id": "r2",
        "fields": {"text": "I lost my debit-card yesterday and don't know where", "note": None},
        "metadata": {"source": "mail", "tags": ["b"], "length": 9, "cost": -2.25, "priority": 0.9},
        "vectors": {"sense": [0.8, 0.6, 0.0]},
        "suggestions": {
            "label": {"value": "card", "score": 0.4, "agent": "model-b", "type": "model"}
        },
    },
    {
        "id": "r3",
        "fields": {"text": "Refund for a cancelled payment", "note": "card holder"},
        "metadata": {"source": "web", "length": 20, "cost": 0.0, "priority": 0.5},
        "vectors": {"sense": [0.0, 2.0, 0.0]},
        "suggestions": {
            "label": {"value": "refund", "score": 0.7, "agent": "model-a", "type": "human"},
            "topics": {"value": ["fast", "kind"], "score": [0.1, 0.8], "agent": "model-a"},
        },
    },
    {
        "id": "r4",
        "fields": {"text": "Étage fermé, le Café aussi"},
        "vectors": {"sense": [-3.0, 0.0, 0.0]},
        "suggestions": {"rating": {"value": 2}},
    },
    {
        "id": "r5",
        "fields": {"text": "Exchange rate of 3.14 for the card"},
        "metadata": {"length": 20},
    },
    {
        "id": "r6",
        "fields": {"text": "payment card payment"},
        "metadata": {"source": "mail", "priority": 0.7},
        "suggestions": {"topics": {"value": ["kind"]}},
    },
    {"id": "r7", "fields": {"text": "nothing to see"}},
    {"id": "r8", "fields": {"text": "日本語 100% テスト"}},
]
