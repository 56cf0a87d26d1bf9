"""What is said of an Argilla that TLS or a proxy keeps away: the cause, and what helps."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from loopd.annotation.http import ArgillaHttp, Front, FrontError
from loopd.errors import ArgillaError, LoopdError, TransientError
from tests.fronts.certificates import Authority, authority

SECRET = "recognisable-secret"

Talk = Callable[[socket.socket], None]

CERTIFICATE_REQUIRED, HANDSHAKE_FAILURE, UNRECOGNIZED_NAME = 116, 40, 112
"""Numbers of TLS alerts (RFC 8446, 6)."""


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    """A port at which each caller is talked to so, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):  # the listening socket is shut: over
                while True:
                    caller = server.accept()[0]
                    with caller, suppress(OSError):
                        caller.settimeout(10)
                        talk(caller)

        thread = Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("pems"))


def shaking_hands(pair: Path) -> Talk:
    """A server with this certificate; it answers nothing."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)

    def talk(caller: socket.socket) -> None:
        context.wrap_socket(caller, server_side=True).close()

    return talk


def alerting(alert: int) -> Talk:
    """A server that ends each handshake with this alert."""

    def talk(caller: socket.socket) -> None:
        caller.recv(65536)
        caller.sendall(bytes([21, 3, 3, 0, 2, 2, alert]))

    return talk


def saying(text: str) -> Talk:
    def talk(caller: socket.socket) -> None:
        caller.recv(65536)
        caller.sendall(text.encode())

    return talk


def failure(url: str, front: Front | None = None) -> LoopdError:
    with (
        closing(ArgillaHttp(url, "a key", 10.0, front)) as http,
        pytest.raises(LoopdError) as caught,
    ):
        http.get("me")
    return caught.value


@pytest.mark.parametrize(
    ("pair", "host", "trusted", "problem", "hint"),
    [
        ("old_host", "127.0.0.1", True, "has expired", "have it renewed, or see to the clock"),
        ("host", "localhost", True, "ostname mismatch", "set argilla.url to the name that it is"),
        ("host", "127.0.0.1", False, "unable to get local issuer", "set argilla.ca_file to the"),
    ],
)
def test_a_certificate_that_does_not_verify_is_not_waited_out(
    pems: Authority, pair: str, host: str, trusted: bool, problem: str, hint: str
) -> None:
    """Time mends none of them; each has a hint of its own."""
    front = Front(ca_file=pems.ca if trusted else None)
    with listening(shaking_hands(getattr(pems, pair))) as port:
        error = failure(url := f"https://{host}:{port}", front)
    assert type(error) is ArgillaError
    assert error.message.startswith(f"the certificate of {url} does not verify: ")
    assert problem in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("talk", "reason", "hint"),
    [
        (saying("HTTP/1.1 400 Bad Request\r\n\r\n"), "", "the port speaks no TLS"),
        (alerting(CERTIFICATE_REQUIRED), "certificate required", "argilla.client_cert"),
        (alerting(HANDSHAKE_FAILURE), "handshake failure", "argilla.client_cert"),
        (alerting(UNRECOGNIZED_NAME), "unrecognized name", "stands in front of Argilla"),
    ],
    ids=["no TLS", "no certificate", "no handshake", "no such name"],
)
def test_a_front_that_refuses_the_handshake_is_waited_out(
    talk: Talk, reason: str, hint: str
) -> None:
    """Somebody may mend it; a run that begins ends with the hint."""
    with listening(talk) as port:
        error = failure(url := f"https://127.0.0.1:{port}")
    assert isinstance(error, FrontError)
    assert not error.late
    assert error.message.startswith(f"no secure connection to {url} (")
    assert reason in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("403 Forbidden", FrontError),
        ("407 Proxy Authentication Required", FrontError),
        ("502 Bad Gateway", TransientError),
    ],
)
def test_a_proxy_that_lets_nobody_through_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, status: str, kind: type[LoopdError]
) -> None:
    """One that cannot reach Argilla is an outage like any other."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with listening(saying(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")) as port:
        monkeypatch.setenv("https_proxy", f"http://ann:{SECRET}@127.0.0.1:{port}")
        error = failure("https://argilla.test")
    assert type(error) is kind
    assert status.lower() in error.message.lower()
    assert SECRET not in error.message + error.hint
    refused = kind is FrontError
    assert ("the proxy lets nobody through to https://argilla.test" in error.message) == refused
    assert ("HTTPS_PROXY and NO_PROXY" in error.hint) == refused
