"""When the webhook is made: not before Argilla is there, and not again and again."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

import httpx
import pytest

from loopd.annotation.webhooks import AGAIN, WebhookEndpoint, _Server, refuse_taken, registered
from loopd.errors import ArgillaError, AuthError, LoopdError, TransientError

ALL = "0.0.0.0"  # noqa: S104 - for a moment, and it answers nobody


class Argilla:
    """Answers each attempt with the next of these, then well; notes what was asked."""

    def __init__(self, *failures: LoopdError) -> None:
        self.failures = list(failures)
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(f"GET {path}")
        if self.failures:
            raise self.failures.pop(0)
        return {"items": []}

    def request(self, method: str, path: str, **_: Any) -> Any:
        self.asked.append(f"{method} {path}")
        return {"id": "h1", "secret": "whsec_eA=="}


def attempts(argilla: Argilla, *moments: float) -> list[bool]:
    """Whether there is a webhook after an attempt at each of these times."""
    now, rang, found = [0.0], [], []
    ring, clock = lambda: rang.append(1), lambda: now[0]
    with registered(argilla, WebhookEndpoint(0, None, "x"), ring, clock) as webhook:  # type: ignore[arg-type]
        assert argilla.asked == []
        for now[0] in moments:
            webhook.attempt()
            found.append("POST webhooks" in argilla.asked)
    assert len(rang) == sum(found[-1:])  # once, for whoever answered before
    return found


def test_a_webhook_is_made_when_argilla_is_back(capsys: pytest.CaptureFixture[str]) -> None:
    argilla = Argilla(TransientError("down"), TransientError("still down"))
    moments = (0.0, 1.0, AGAIN - 1, AGAIN, 2 * AGAIN, 2 * AGAIN + 1)
    assert attempts(argilla, *moments) == [False] * 4 + [True] * 2
    assert argilla.asked == [*["GET webhooks"] * 3, "POST webhooks", "DELETE webhooks/h1"]


def test_a_refusal_is_final() -> None:
    argilla = Argilla(AuthError("no owner"))
    assert attempts(argilla, 0.0, 10 * AGAIN) == [False, False]
    assert argilla.asked == ["GET webhooks"]


@pytest.mark.parametrize(
    ("host", "url", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:80/"),
        ("::1", None, "http://[::1]:80/"),
        ("loopd", None, "http://loopd:80/"),
        (ALL, None, "http://this-pod:80/"),
        ("::", None, "http://this-pod:80/"),
        (ALL, "https://hooks.example.org/a", "https://hooks.example.org/a"),
    ],
)
def test_what_argilla_is_told(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str | None, address: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "this-pod")
    assert WebhookEndpoint(0, url, "x", host).address(80) == address


def own_addresses() -> list[str]:
    """Of this machine, besides loopback; there may be none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return [probe.getsockname()[0]]
    return []


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["localhost"]),
        ("::1", ["::1"]),
        (ALL, ["127.0.0.1", *own_addresses()]),
    ],
)
def test_where_it_listens(host: str, reached: list[str]) -> None:
    try:
        server = _Server(host, 0, lambda: None)
    except ArgillaError:
        pytest.skip(f"this machine has no {host}")
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in reached:
            url = f"http://[{name}]" if ":" in name else f"http://{name}"
            answer = httpx.post(f"{url}:{server.server_port}/", content=b"{}", trust_env=False)
            assert answer.status_code == 401  # nobody has signed that
        server.shutdown()
        thread.join()


def test_by_default_no_other_machine_reaches_it() -> None:
    with _Server(WebhookEndpoint(0, None, "x").host, 0, lambda: None) as server:
        for name in own_addresses():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((name, server.server_port), 5).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a" * 80])
def test_a_host_that_is_not_here_is_refused(host: str) -> None:
    with pytest.raises(ArgillaError, match="cannot listen on port 0") as caught:
        refuse_taken(host, 0)
    assert "argilla.webhook_host" in caught.value.hint
