"""Slows down who guesses passwords: few failed logins a minute from one address; knows no accounts.

Argilla checks a password in the thread that serves everybody, a fifth of a second each: whoever
tries many keeps all others waiting, besides guessing. API keys and sessions are not looked at here:
they are too long to be guessed.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MOST = 20
"""Logins from one address within :data:`WINDOW` that failed or are not decided yet."""

WINDOW = 60.0
"""Seconds for which a failed login counts."""

ADDRESSES = 1000
"""Addresses that are remembered; those that tried longest ago are forgotten first."""

PATH = "/api/v1/token"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class LoginThrottle:
    """An ASGI application that passes everything on but too many logins, which get HTTP 429.

    Behind a proxy all people have the proxy's address, and share its tries.

    Args:
        app: Argilla.
        clock: seconds from an arbitrary start.
    """

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _is_login(scope):
            await self._app(scope, receive, send)
            return
        now = self._clock()
        tries = self._of((scope.get("client") or ("",))[0], now)
        if len(tries) >= MOST:
            await _refuse(send, wait=tries[0] + WINDOW - now)
            return
        tries.append(now)

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                tries.remove(now)
            await send(message)

        await self._app(scope, receive, watching)

    def _of(self, address: str, now: float) -> deque[float]:
        tries = self._tries.setdefault(address, deque())
        self._tries.move_to_end(address)
        while len(self._tries) > ADDRESSES:
            self._tries.popitem(last=False)
        while tries and tries[0] <= now - WINDOW:
            tries.popleft()
        return tries


def _is_login(scope: Message) -> bool:
    return bool(scope["path"].rstrip("/") == PATH)


async def _refuse(send: Send, wait: float) -> None:
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"%d" % (int(wait) + 1))]
    body = b'{"detail":"too many failed logins; wait a minute"}'
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
