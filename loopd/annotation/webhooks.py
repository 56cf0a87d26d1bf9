"""Owns the endpoint that Argilla's webhooks call when somebody answers; must not interpret a call.

A call only wakes the poller, which reads the truth from Argilla: a lost, doubled or forged one
changes nothing but the moment of the next look. Source: Argilla 2's webhooks, signed as
https://www.standardwebhooks.com wants it.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopd import log
from loopd.annotation.http import ArgillaHttp, NoRouteError
from loopd.errors import ArgillaError, LoopdError, TransientError

EVENTS = ("response.created", "response.updated", "response.deleted")

LARGEST = 1_000_000
"""Bytes of a message that are read; Argilla's hold one record."""

AGAIN = 60.0
"""Seconds until a webhook that Argilla could not make is asked for again."""

LOOPBACK = "127.0.0.1"

_NEEDS = "webhooks need the key of an owner, and Argilla 2.5 or later; polling goes on"

_ALL = ("0.0.0.0", "::")  # noqa: S104 - asked for by the configuration, not chosen

PATIENCE = 5.0
"""Seconds until a connection that says nothing is closed."""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where Argilla is to send its webhooks.

    Attributes:
        port: on that host; 0 takes any free one.
        url: address under which Argilla reaches that port, ``None`` where the host says it.
        name: of the run; webhooks that an earlier process left behind are known by it.
        host: address or name on which to listen; ``0.0.0.0`` and ``::`` are all of this machine.
    """

    port: int
    url: str | None
    name: str
    host: str = LOOPBACK

    def address(self, port: int) -> str:
        """What Argilla is told, once the port is taken."""
        host = socket.gethostname() if self.host in _ALL else self.host
        return self.url or f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Webhook:
    """The webhook in Argilla, which is made as soon as Argilla is there; see :func:`registered`."""

    def __init__(
        self,
        http: ArgillaHttp,
        endpoint: WebhookEndpoint,
        server: _Server,
        monotonic: Callable[[], float],
    ) -> None:
        self._http, self._endpoint, self._server = http, endpoint, server
        self._monotonic = monotonic
        self._next = float("-inf")
        self._id: str | None = None

    def attempt(self) -> None:
        """Make it, unless it is there, was refused, or was tried just now.

        It rings once when it is made: somebody may have answered before.
        """
        if self._monotonic() < self._next:
            return
        self._next = float("inf")
        try:
            self._make()
        except NoRouteError as error:
            self._warn(error, _NEEDS)
        except TransientError as error:
            self._next = self._monotonic() + AGAIN
            self._warn(error, f"polling goes on, and it is tried again every {AGAIN:.0f} s")
        except LoopdError as error:
            self._warn(error, _NEEDS)

    def remove(self) -> None:
        """Take it away, if Argilla is there."""
        if self._id is not None:
            with suppress(LoopdError):
                self._http.request("DELETE", f"webhooks/{self._id}")

    def _make(self) -> None:
        url = self._endpoint.address(self._server.server_port)
        name = f"loopd: {self._endpoint.name}"
        for hook in self._http.get("webhooks")["items"]:
            if hook.get("description") == name:
                self._http.request("DELETE", f"webhooks/{hook['id']}")
        body = {"url": url, "events": EVENTS, "description": name}
        made = self._http.request("POST", "webhooks", json=body)
        self._id, self._server.secret = str(made["id"]), made["secret"]
        log.get("webhooks").info("webhooks_on", url=url)
        self._server.ring()

    @staticmethod
    def _warn(error: LoopdError, hint: str) -> None:
        log.get("webhooks").warning("webhooks_off", problem=error.message, hint=hint)


@contextmanager
def registered(
    http: ArgillaHttp,
    endpoint: WebhookEndpoint,
    ring: Callable[[], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Webhook]:
    """Have Argilla call ``ring`` soon after each answer, once the webhook is made.

    Where Argilla refuses, one warning says so and polling goes on alone.

    Args:
        http: with the key of an owner, who alone may manage webhooks.
        endpoint: where to listen.
        ring: called from another thread.
        monotonic: clock in seconds.

    Raises:
        ArgillaError: the port is taken.
    """
    server = _Server(endpoint.host, endpoint.port, ring)
    thread = threading.Thread(target=server.serve_forever, name="webhooks", daemon=True)
    thread.start()
    webhook = Webhook(http, endpoint, server, monotonic)
    try:
        yield webhook
    finally:
        webhook.remove()
        server.shutdown()
        server.server_close()
        thread.join()


def refuse_taken(host: str, port: int) -> None:
    """See whether one could listen there, and let go again.

    Raises:
        ArgillaError: the port is taken, or the host is none of this machine.
    """
    _Server(host, port, lambda: None).server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    secret: str | None = None
    """Of the webhook; without it nothing rings."""

    def __init__(self, host: str, port: int, ring: Callable[[], None]) -> None:
        self.ring = ring
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            hint = (
                "choose another argilla.webhook_port; 0 takes any free one"
                if host == LOOPBACK
                else "argilla.webhook_host must be an address or a name of this machine, and "
                "argilla.webhook_port free"
            )
            raise ArgillaError(f"cannot listen on port {port}: {error}", hint) from error

    def server_bind(self) -> None:
        """As upstream, without asking a name server for the name of this machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who hangs up is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if not 0 <= size <= LARGEST:
            self._say(413)
            return
        rings = self._is_argilla(self.rfile.read(size))
        self._say(200 if rings else 401)
        if rings:
            self.server.ring()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name upstream)
        """Nothing: the loop says what it found."""

    def _is_argilla(self, body: bytes) -> bool:
        from standardwebhooks.webhooks import Webhook as Signed
        from standardwebhooks.webhooks import WebhookVerificationError

        if self.server.secret is None:
            return False
        try:
            Signed(self.server.secret).verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            return False
        return True

    def _say(self, code: int) -> None:
        self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()
