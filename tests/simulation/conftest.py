"""Datasets with records on the real Argilla, and what is answered in them."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from loopd.annotation.record_schema import METADATA, MetadataNames, metadata_property
from loopd.errors import LoopdError
from loopd.oracle.oracle import OracleOptions, OracleReport, OracleTask, run_oracle
from loopd.tasks.single_label import SingleLabelTask
from tests.live import LiveArgilla
from tests.people import is_guest

LABELS = ("red", "green", "blue")
TASK = SingleLabelTask(LABELS, "label", "text", "Which?")


OF_A_BATCH = {"batch_id": "b0000", "round": 0}


def gold_of(number: int) -> str:
    return LABELS[number % 3]


GOLD = {f"r{number:03d}": gold_of(number) for number in range(24)}


@dataclass
class Board:
    """One dataset and the owner's view of it."""

    live: LiveArgilla
    owner: httpx.Client
    name: str
    id: str = ""

    @property
    def task(self) -> OracleTask:
        return OracleTask(self.live.workspace, self.name, TASK, GOLD)

    def create(self, min_submitted: int = 1, *, another_question: bool = False) -> None:
        workspaces = self.owner.get("me/workspaces").json()["items"]
        workspace = next(each["id"] for each in workspaces if each["name"] == self.live.workspace)
        distribution = {"strategy": "overlap", "min_submitted": min_submitted}
        body = {"name": self.name, "workspace_id": workspace, "distribution": distribution}
        self.id = self._made("datasets", body)["id"]
        field = {"name": "text", "title": "Text", "settings": {"type": "text"}, "required": True}
        self._made(f"datasets/{self.id}/fields", field)
        options = [{"value": label, "text": label} for label in LABELS]
        settings = {"type": "label_selection", "options": options}
        question: dict[str, Any] = {
            "name": "label",
            "title": "Label",
            "settings": settings,
            "required": True,
        }
        self._made(f"datasets/{self.id}/questions", question)
        if another_question:
            text = {"type": "text", "use_markdown": False}
            question = {"name": "why", "title": "Why?", "settings": text, "required": True}
            self._made(f"datasets/{self.id}/questions", question)
        for name in METADATA:
            property_ = metadata_property(name, MetadataNames())
            self._made(f"datasets/{self.id}/metadata-properties", property_)
        checked(self.owner.put(f"datasets/{self.id}/publish"))

    def log(self, *external_ids: str) -> None:
        items = [
            {"external_id": each, "fields": {"text": f"text {each}"}, "metadata": OF_A_BATCH}
            for each in external_ids
        ]
        checked(self.owner.put(f"datasets/{self.id}/records/bulk", json={"items": items}))

    def log_copy(self, external_id: str, original: str) -> None:
        """A record that asks for a second opinion."""
        metadata = {**OF_A_BATCH, "second_opinion_of": original}
        item = {"external_id": external_id, "fields": {"text": f"text {original}"}}
        items = {"items": [{**item, "metadata": metadata}]}
        checked(self.owner.put(f"datasets/{self.id}/records/bulk", json=items))

    def records(self) -> list[dict[str, Any]]:
        """All but those that are no business of a run's."""
        params: dict[str, str | int] = {"include": "responses", "limit": 1000}
        found = checked(self.owner.get(f"datasets/{self.id}/records", params=params))
        return [record for record in found["items"] if not is_guest(record["fields"])]

    def answers(self) -> dict[str, list[str | None]]:
        """All answers by external id: the submitted value, ``None`` for a discard."""
        return {
            record["external_id"]: [_value(response) for response in record["responses"]]
            for record in self.records()
        }

    def _made(self, path: str, body: dict[str, Any]) -> Any:
        return checked(self.owner.post(path, json=body))


def _value(response: dict[str, Any]) -> str | None:
    if response["status"] == "discarded":
        return None
    return str(response["values"]["label"]["value"])


def checked(response: httpx.Response) -> Any:
    if response.status_code >= 300:
        raise RuntimeError(f"HTTP {response.status_code}: {response.text[:300]}")
    return response.json() if response.content else None


@dataclass
class Running:
    """An oracle in a thread of its own."""

    thread: threading.Thread
    stop: threading.Event
    lines: list[str]
    found: list[OracleReport | LoopdError]

    def until(self, look: Callable[[], Any]) -> Any:
        """Poll until ``look`` gives something true, while the oracle works."""
        return wait_for(look, explain=lambda: f"{self.lines} {self.found}")

    def end(self) -> OracleReport:
        """Stop it, and its report; raises what it raised."""
        self.stop.set()
        return self.ended()

    def ended(self) -> OracleReport:
        """Its report once it has ended by itself."""
        self.thread.join(30)
        if not self.found:
            raise TimeoutError("the oracle does not end")
        if isinstance(self.found[0], LoopdError):
            raise self.found[0]
        return self.found[0]


def start(url: str, key: str, task: OracleTask, options: OracleOptions) -> Running:
    stop = threading.Event()
    lines: list[str] = []
    found: list[OracleReport | LoopdError] = []

    def work() -> None:
        try:
            found.append(
                run_oracle(url, key, task, options=options, stop=stop, report=lines.append)
            )
        except LoopdError as error:
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return Running(thread, stop, lines, found)


def wait_for(look: Callable[[], Any], seconds: float = 45, explain: Callable[[], str] = str) -> Any:
    """Poll until ``look`` gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"nothing within {seconds} s: {explain()}")


@pytest.fixture
def board(argilla: LiveArgilla) -> Iterator[Board]:
    """A name for a dataset that is not created yet."""
    with httpx.Client(
        base_url=f"{argilla.url}/api/v1/",
        headers={"X-Argilla-Api-Key": argilla.owner_key},
        timeout=30,
        trust_env=False,
    ) as owner:
        yield Board(argilla, owner, f"oracle-{uuid.uuid4().hex[:12]}")
