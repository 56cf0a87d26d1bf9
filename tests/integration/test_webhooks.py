"""Argilla knocks when somebody answers; forged, broken and oversized knocks wake nobody."""

from __future__ import annotations

import http.client
import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.http import ArgillaHttp
from loopd.annotation.webhooks import LARGEST, WebhookEndpoint, registered
from loopd.data.pool import Pool
from loopd.errors import ArgillaError
from loopd.loop.stop import Alarm, Stop
from loopd.records import Batch, BatchItem, PoolId
from loopd.tasks.single_label import SingleLabelTask
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")


@pytest.fixture
def client(argilla: LiveArgilla) -> Iterator[ArgillaHttp]:
    """Of a server without webhooks, whatever other tests and their killed daemons left."""
    made = ArgillaHttp(argilla.url, argilla.owner_key, 30.0)
    clear(argilla, made)
    yield made
    clear(argilla, made)
    made.close()


def clear(argilla: LiveArgilla, client: ArgillaHttp) -> None:
    for hook in argilla.webhooks:
        client.request("DELETE", f"webhooks/{hook['id']}")


def test_an_answer_rings(argilla: LiveArgilla, client: ArgillaHttp) -> None:
    name = f"hooked-{uuid.uuid4().hex[:8]}"
    section = argilla.section(name)
    store = ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1))
    store.open(Pool(()), fresh=True)
    store.publish(
        Batch("b0000", 0, "random", None, (BatchItem(PoolId("r1")),)), {PoolId("r1"): "an apple"}
    )
    people, rang = argilla.people(name), threading.Event()
    with registered(client, WebhookEndpoint(0, None, name), rang.set) as webhook:
        webhook.attempt()
        assert rang.is_set()  # somebody may have answered before
        rang.clear()
        (hook,) = argilla.webhooks
        assert hook["description"] == f"loopd: {name}"
        people.submit("r1", "ann", "fruit")
        assert rang.wait(30)
        rang.clear()
        _refuse_forgeries(hook["url"])
        assert not rang.is_set()
    assert argilla.webhooks == []
    people.close()
    store.close()


def _refuse_forgeries(url: str) -> None:
    signed = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,eA== v2 ,"}
    assert httpx.post(url, content=b"{}").status_code == 401
    assert httpx.post(url, content=b"{}", headers=signed).status_code == 401
    assert httpx.post(url, content=b"\xff", headers=signed).status_code == 401
    assert httpx.get(url).status_code == 501
    raw = http.client.HTTPConnection("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))
    raw.putrequest("POST", "/")
    raw.putheader("Content-Length", str(LARGEST + 1))
    raw.endheaders()
    with raw.getresponse() as refused:
        assert refused.status == 413
        refused.read()
    raw.close()


def test_what_an_earlier_process_left_is_replaced(
    argilla: LiveArgilla, client: ArgillaHttp
) -> None:
    body = {"url": "http://127.0.0.1:9/", "events": ["response.created"]}
    client.request("POST", "webhooks", json={**body, "description": "loopd: old"})
    kept = client.request("POST", "webhooks", json={**body, "description": "somebody else's"})
    with registered(client, WebhookEndpoint(0, None, "old"), lambda: None) as webhook:
        webhook.attempt()
        assert sorted(hook["description"] for hook in argilla.webhooks) == [
            "loopd: old",
            "somebody else's",
        ]
    client.request("DELETE", f"webhooks/{kept['id']}")


def test_without_an_owners_key_polling_goes_on(argilla: LiveArgilla) -> None:
    client = ArgillaHttp(argilla.url, argilla.keys["ann"], 30.0)
    with registered(client, WebhookEndpoint(0, None, "x"), lambda: None) as webhook:
        webhook.attempt()
    client.close()


def test_a_port_that_is_taken(client: ArgillaHttp) -> None:
    port = int(client.url.rpartition(":")[2])
    with (
        pytest.raises(ArgillaError, match="cannot listen"),
        registered(client, WebhookEndpoint(port, None, "x"), lambda: None),
    ):
        pass


def test_an_alarm_ends_one_wait() -> None:
    stop, alarm = Stop(), Alarm()
    for _ in range(100_000):
        alarm.ring()
    assert not stop.wait(60, alarm)
    alarm.ring()
    assert not stop.wait(60, alarm)
    assert not stop.wait(0.01, alarm)
    stop.set()
    assert stop.wait(60, alarm)
