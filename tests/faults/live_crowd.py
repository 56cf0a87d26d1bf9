"""People who work on a real Argilla, each in a thread of their own, whether or not it answers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import httpx

from tests.faults.evidence import Click, Doings
from tests.faults.plan import opinion
from tests.live import LiveArgilla
from tests.people import is_guest, key_headers

Json = dict[str, Any]

KEEP = 8
"""So many records people leave undeleted."""


class LivePerson:
    """Answers, changes their mind, deletes now and then; goes on after every failure.

    Args:
        live: the server; it may be killed at any time.
        name: of the account.
        dataset: name of the dataset.
        doings: what all people did together.
        rng: what this person does, and how fast.
        pace: seconds between two clicks, on average.
    """

    def __init__(
        self,
        live: LiveArgilla,
        name: str,
        dataset: str,
        doings: Doings,
        rng: random.Random,
        pace: float,
    ) -> None:
        self._dataset = dataset
        self._dataset_id = ""
        self._doings = doings
        self._rng = rng
        self._pace = pace
        self._own = _client(live.url, live.keys[name])
        self._owner = _client(live.url, live.owner_key)
        self.person = str(self._own.get("me").json()["id"])
        self._name = name
        self._changes: dict[str, int] = {}
        self._home = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.clicks = 0

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def go_home(self) -> None:
        """End after the present click."""
        self._home.set()
        self._thread.join()
        self._own.close()
        self._owner.close()

    def _work(self) -> None:
        while not self._home.wait(self._rng.uniform(0.3, 1.7) * self._pace):
            # Argilla may be down, or somebody else was faster: people shrug and try again.
            with suppress(httpx.HTTPError):
                self._click()

    def _click(self) -> None:
        records = self._records()
        roll = self._rng.random()
        mine = [each for each in records if self._response(each) is not None]
        if roll < 0.83:
            left = [each for each in records if self._response(each) is None]
            pending = [each for each in left if each["status"] == "pending"] or left[:1]
            if pending:
                self._answer(self._rng.choice(pending))
        elif roll < 0.96 and mine:
            self._change(self._rng.choice(mine))
        elif roll > 0.975 and len(records) > KEEP:
            self._delete(self._rng.choice(records))

    def _records(self) -> list[Json]:
        if not self._dataset_id:
            found = _ok(self._owner.get("me/datasets")).json()["items"]
            named = [each["id"] for each in found if each["name"] == self._dataset]
            if not named:
                return []
            self._dataset_id = named[0]
        params: dict[str, str | int] = {"include": "responses", "limit": 1000}
        answer = _ok(self._owner.get(f"datasets/{self._dataset_id}/records", params=params))
        items: list[Json] = answer.json()["items"]
        return [record for record in items if not is_guest(record["fields"])]

    def _response(self, record: Json) -> Json | None:
        given: list[Json] = record.get("responses") or []
        return next((each for each in given if each["user_id"] == self.person), None)

    def _answer(self, record: Json) -> None:
        if self._rng.random() < 0.06:
            body: Json = {"status": "discarded", "values": {}}
        else:
            body = self._opinion(record)
        self._send(record, body, partial(self._own.post, f"records/{record['id']}/responses"))

    def _change(self, record: Json) -> None:
        """Edit, discard or take back."""
        response, roll = self._response(record), self._rng.random()
        path = f"responses/{(response or {})['id']}"
        if roll < 0.6:
            id_ = record["external_id"]
            self._changes[id_] = self._changes.get(id_, 0) + 1
            self._send(record, self._opinion(record), partial(self._own.put, path))
        elif roll < 0.8:
            discarded = {"status": "discarded", "values": {}}
            self._send(record, discarded, partial(self._own.put, path))
        else:
            self._send(record, None, lambda **_: self._own.delete(path))

    def _send(self, record: Json, body: Json | None, call: Callable[..., httpx.Response]) -> None:
        """One click; what it left is known once Argilla has said yes, and unknown until then."""
        self.clicks += 1
        key = record["external_id"], self.person
        clicks = self._doings.clicks.setdefault(key, [])
        clicks.append(Click(time.monotonic(), None))
        _ok(call(json=body))
        clicks.append(Click(time.monotonic(), _left(body)))

    def _delete(self, record: Json) -> None:
        self._doings.removed.add(record["external_id"])
        _ok(self._owner.delete(f"records/{record['id']}"))

    def _opinion(self, record: Json) -> Json:
        id_, text = record["external_id"], record["fields"]["text"]
        value = opinion(self._name, text, self._changes.get(id_, 0))
        self._doings.says(id_, self.person, text, value)
        return {"status": "submitted", "values": {"label": {"value": value}}}


def _left(body: Json | None) -> tuple[str, Any]:
    """(status, value) of an answer, as the journal has it."""
    if body is None:
        return "withdrawn", None
    return body["status"], (body["values"] or {}).get("label", {}).get("value")


def _client(url: str, key: str) -> httpx.Client:
    headers = key_headers(key)
    return httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=10, trust_env=False)


def _ok(response: httpx.Response) -> httpx.Response:
    response.raise_for_status()
    return response
