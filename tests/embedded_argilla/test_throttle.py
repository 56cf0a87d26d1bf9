"""Logins that fail are slowed down; nothing else is."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx

from loopd.embedded_argilla.process import _http_server
from loopd.embedded_argilla.throttle import ADDRESSES, MOST, WINDOW, LoginThrottle

RIGHT, WRONG = 201, 401


class Argilla:
    """Answers every request with one status."""

    def __init__(self) -> None:
        self.status = WRONG
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Door:
    """The throttle before it, with a clock of ours."""

    def __init__(self) -> None:
        self.argilla, self.now = Argilla(), 1000.0
        self._app = LoginThrottle(self.argilla, lambda: self.now)

    def ask(self, address: str = "1.2.3.4", path: str = "/api/v1/token", **more: Any) -> int:
        scope = {"type": "http", "method": "POST", "path": path, "client": (address, 1), **more}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing of the body is needed")

        asyncio.run(self._app(scope, receive, send))
        return int(sent[0]["status"])


def test_failed_logins_are_refused_after_a_while() -> None:
    endpoint = Door()
    assert [endpoint.ask() for _ in range(MOST + 5)] == [WRONG] * MOST + [429] * 5
    assert endpoint.argilla.asked == MOST
    assert endpoint.ask("5.6.7.8") == WRONG
    endpoint.now += WINDOW
    assert endpoint.ask() == WRONG


def test_right_passwords_do_not_count() -> None:
    endpoint = Door()
    endpoint.argilla.status = RIGHT
    assert {endpoint.ask() for _ in range(3 * MOST)} == {RIGHT}


def test_nothing_else_is_counted() -> None:
    endpoint = Door()
    asked = {endpoint.ask(path="/api/v1/me") for _ in range(2 * MOST)}
    asked |= {endpoint.ask(method="GET") for _ in range(2 * MOST)}
    assert asked == {WRONG}
    assert [endpoint.ask(path="/api/v1/token/") for _ in range(MOST + 1)][-1] == 429


def test_memory_is_bounded() -> None:
    endpoint = Door()
    for number in range(ADDRESSES + 50):
        endpoint.ask(f"10.0.{number // 256}.{number % 256}")
    assert len(endpoint._app._tries) == ADDRESSES


def test_a_request_without_an_address_is_served() -> None:
    assert Door().ask(client=None) == WRONG


def test_nobody_can_say_to_be_somebody_else() -> None:
    """Over the server as it is set up, with a header that names another address each time."""
    argilla = Argilla()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await argilla(scope, receive, send)
            return
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})

    async def guess() -> list[int]:
        server = _http_server(app)
        serving = asyncio.create_task(server.serve(sockets=[place]))
        url = f"http://127.0.0.1:{place.getsockname()[1]}/api/v1/token"
        async with httpx.AsyncClient(trust_env=False) as client:
            got = [
                (await client.post(url, headers={"X-Forwarded-For": f"10.0.0.{number}"}))
                for number in range(MOST + 2)
            ]
        server.should_exit = True
        await serving
        return [each.status_code for each in got]

    with socket.create_server(("127.0.0.1", 0)) as place:
        assert asyncio.run(guess()) == [WRONG] * MOST + [429] * 2
