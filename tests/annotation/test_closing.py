"""A client that is closed while other threads ask: each gets its answer, and no socket is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loopd.annotation.http import ArgillaHttp
from loopd.errors import TransientError

ANSWER = b'{"items": []}'


class Waiting(ThreadingHTTPServer):
    """Answers once it may; knows how many requests have come."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.may, self.came = threading.Event(), threading.Semaphore(0)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up does so on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: Waiting
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.came.release()
        self.server.may.wait(30)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Waiting]:
    with Waiting() as waiting:
        thread = threading.Thread(target=waiting.serve_forever, args=(0.01,))
        thread.start()
        yield waiting
        waiting.may.set()
        waiting.shutdown()
        thread.join()


def client_of(server: Waiting) -> ArgillaHttp:
    return ArgillaHttp(f"http://127.0.0.1:{server.server_port}", "a key", 30.0)


@pytest.mark.parametrize("requests", [1, 3])
def test_what_is_under_way_is_answered_and_nothing_new_begins(
    server: Waiting, requests: int
) -> None:
    http = client_of(server)
    with ThreadPoolExecutor(requests) as threads:
        answers = [threads.submit(http.get, "users") for _ in range(requests)]
        for _ in answers:
            assert server.came.acquire(timeout=30)
        http.close()
        with pytest.raises(TransientError, match="closed"):
            http.get("me")
        server.may.set()
        assert [answer.result() for answer in answers] == [{"items": []}] * requests
    assert http._client.is_closed


def test_no_socket_is_left_whenever_it_is_closed(server: Waiting) -> None:
    """A socket that is collected open would fail this test: warnings are errors here."""
    server.may.set()
    for number in range(60):
        http = client_of(server)
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(http.get, "users")
            threading.Event().wait(number % 12 / 1000)
            http.close()
            error = answer.exception()
        assert error is None or (isinstance(error, TransientError) and "closed" in str(error))
        del answer, error, http
    gc.collect()
