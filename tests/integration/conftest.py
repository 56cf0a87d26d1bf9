"""Argilla's HTTP API without anything of loopd between: what a test sends is what goes out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.live import NAMES, LiveArgilla
from tests.people import client_of, is_guest

Json = dict[str, Any]
OPTIONS = [{"value": value, "text": value} for value in ("fruit", "tool", "none")]
LABEL = {"type": "label_selection", "options": OPTIONS}
TEXT = {"type": "text", "use_markdown": False}


@dataclass
class Made:
    """A dataset: its identifier and those of its questions, and of its records by external id."""

    id: str
    questions: dict[str, str] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)


class Api:
    """Requests of the owner and of the annotators; every answer is checked for its code.

    What is replaced by them is the test's own doing, and no loss.

    Args:
        live: the server.
    """

    def __init__(self, live: LiveArgilla) -> None:
        keys = {"owner": live.owner_key, **live.keys}
        self.workspace = live.workspace
        self._clients = {name: client_of(live.url, key, timeout=60) for name, key in keys.items()}
        self._guard = live.guard
        self.ids = {name: self.call("GET", "me", by=name)["id"] for name in ("owner", *NAMES)}

    def close(self) -> None:
        for each in self._clients.values():
            each.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str = "owner",
        code: int = 2,
        **params: Any,
    ) -> Any:
        """The JSON answer; ``code`` is the HTTP code expected, 2 for any success."""
        # After a 500 the server hangs up.
        headers = {"Connection": "close"} if code == 500 else {}
        with self._guard.own_hand():
            response = self._clients[by].request(
                method, path, json=body, params=params, headers=headers
            )
        got = response.status_code
        assert got in (code, code * 100 + got % 100), f"{method} {path}: {got} {response.text}"
        return response.json() if response.content else None

    def workspace_id(self) -> str:
        spaces = self.call("GET", "me/workspaces")["items"]
        return next(str(each["id"]) for each in spaces if each["name"] == self.workspace)

    def draft(self, name: str = "", *, min_submitted: int = 1) -> Made:
        """A dataset that has nothing yet."""
        body = {
            "name": name or f"facts-{uuid.uuid4().hex[:10]}",
            "workspace_id": self.workspace_id(),
            "distribution": {"strategy": "overlap", "min_submitted": min_submitted},
        }
        return Made(self.call("POST", "datasets", body)["id"])

    def add_field(self, made: Made, name: str, *, required: bool = True, **settings: Any) -> None:
        body = {"name": name, "title": name, "required": required, "settings": settings or TEXT}
        self.call("POST", f"datasets/{made.id}/fields", body)

    def add_question(
        self, made: Made, name: str, settings: Json, *, required: bool = True, code: int = 2
    ) -> None:
        body = {"name": name, "title": name, "required": required, "settings": settings}
        question = self.call("POST", f"datasets/{made.id}/questions", body, code=code)
        if code == 2:
            made.questions[name] = question["id"]

    def add_property(self, made: Made, name: str, kind: str) -> None:
        body: dict[str, Any] = {"name": name, "title": name, "settings": {"type": kind}}
        body |= {"visible_for_annotators": True}
        self.call("POST", f"datasets/{made.id}/metadata-properties", body)

    def publish(self, made: Made) -> None:
        self.call("PUT", f"datasets/{made.id}/publish")

    def dataset(self, *, name: str = "", min_submitted: int = 1, **properties: str) -> Made:
        """A published dataset with one text, one label question and these metadata properties."""
        made = self.draft(name, min_submitted=min_submitted)
        self.add_field(made, "text")
        self.add_question(made, "label", LABEL)
        for property_name, kind in properties.items():
            self.add_property(made, property_name, kind)
        self.publish(made)
        return made

    def upsert(self, made: Made, *records: Json, code: int = 2) -> Json:
        """Bulk upsert; the new records' identifiers are kept."""
        path = f"datasets/{made.id}/records/bulk"
        answer: Json = self.call("PUT", path, {"items": list(records)}, code=code)
        made.records.update({each["external_id"]: each["id"] for each in answer.get("items", ())})
        return answer

    def listed(self, made: Made, **params: Any) -> list[Json]:
        """Records with suggestions and responses, from the route that reads the database.

        But those of guests, who are there for the guard's sake alone.
        """
        params = {"include": ["responses", "suggestions"], "limit": 1000, **params}
        items: list[Json] = self.call("GET", f"datasets/{made.id}/records", **params)["items"]
        return [each for each in items if not is_guest(each["fields"])]

    def record(self, made: Made, name: str) -> Json:
        return next(each for each in self.listed(made) if each["external_id"] == name)

    def answer(
        self,
        made: Made,
        name: str,
        value: str | None = "fruit",
        *,
        by: str = "ann",
        status: str = "submitted",
        code: int = 2,
    ) -> Json:
        """One person's first answer on a record."""
        body = {"status": status, "values": _carried(value, status)}
        path = f"records/{made.records[name]}/responses"
        created: Json = self.call("POST", path, body, by=by, code=code)
        return created

    def edit(
        self, response: Json, value: str | None, *, by: str = "ann", status: str = "submitted"
    ) -> Json:
        body = {"status": status, "values": _carried(value, status)}
        changed: Json = self.call("PUT", f"responses/{response['id']}", body, by=by)
        return changed

    def activity(self, made: Made) -> str:
        return str(self.call("GET", f"datasets/{made.id}")["last_activity_at"])


def values(value: str | None) -> Json | None:
    return None if value is None else {"label": {"value": value}}


def _carried(value: str | None, status: str) -> Json | None:
    """As the page sends it: no ``null`` but where a test wants a refusal."""
    return {} if value is None and status != "submitted" else values(value)


def item(name: str, text: str = "a text", **parts: Any) -> Json:
    """A record as the bulk upsert wants it."""
    return {"external_id": name, "fields": {"text": text}, **parts}


@pytest.fixture(scope="session")
def api(argilla: LiveArgilla) -> Iterator[Api]:
    api = Api(argilla)
    yield api
    api.close()
