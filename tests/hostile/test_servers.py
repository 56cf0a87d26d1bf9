"""Servers that repeat the API key wherever they can: no message and no traceback shows it."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from loopd.annotation.http import ArgillaHttp, FrontError, quoted
from loopd.errors import ArgillaError, LoopdError, TransientError
from loopd.listener.argilla_source import Address
from tests.faults.proxy import LONGEST_CUT, FaultProxy

KEY = "recognisable-key-\\0815"
"""With a sign that Python's ``repr`` doubles."""

Say = Callable[[str], bytes]


@contextmanager
def speaking(say: Say) -> Iterator[str]:
    """Address of a server that says so to every request, whatever the key in it."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            key = ""
            while line := self.rfile.readline().decode("latin-1").strip():
                if line.lower().startswith("x-argilla-api-key:"):
                    key = line.partition(":")[2].strip()
            self.wfile.write(say(key))

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def answer(status: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


SAYINGS: dict[str, tuple[Say, type[LoopdError]]] = {
    "status line": (lambda key: f"HTTP/1.1 {key}\r\n\r\n".encode(), TransientError),
    "header": (
        lambda key: f"HTTP/1.1 200 OK\r\nX-Argilla-Api-Key {key}\r\n\r\n".encode(),
        TransientError,
    ),
    "no JSON": (lambda key: answer("200 OK", key), TransientError),
    "refusal": (
        lambda key: answer("422 No", json.dumps({"detail": key * 100})),
        ArgillaError,
    ),
    "page": (lambda key: answer("418 No", key * 100), FrontError),
    "encoding": (
        lambda key: f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{key}".encode(),
        TransientError,
    ),
}


def failure(url: str, api_key: str, kind: type[LoopdError]) -> LoopdError:
    """What asking there ends in."""
    with closing(ArgillaHttp(url, api_key, 10)) as http, pytest.raises(kind) as caught:
        http.get("me")
    return caught.value


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("case", SAYINGS)
def test_a_server_that_repeats_the_key_in_odd_places(case: str) -> None:
    say, kind = SAYINGS[case]
    with speaking(say) as url:
        caught = failure(url, KEY, kind)
    assert "recognisable" not in shown(caught)
    assert len(caught.message) < 500


@pytest.mark.parametrize("case", ["header", "refusal"])
@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.filterwarnings("ignore")  # the SDK warns of itself, and leaks a client that fails
def test_the_listener_hears_the_key_from_nobody(case: str, whose: str) -> None:
    """Both in loopd's own request and in one that the SDK sends."""
    say, kind = SAYINGS[case]

    def later(key: str) -> bytes:
        said.append(key)
        first = answer("200 OK", json.dumps({"id": "1"}))
        return first if whose == "theirs" and len(said) == 1 else say(key)

    said: list[str] = []
    with speaking(later) as url, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(kind) as caught:
            Address("heard", api_url=url, api_key=KEY).connect()
    assert KEY in said
    assert "recognisable" not in shown(caught.value)
    assert len(caught.value.message) < 500


def test_a_key_that_is_no_header_is_not_repeated() -> None:
    with speaking(lambda _: b"") as url:
        caught = failure(url, f"{KEY}\n", TransientError)
    assert "Illegal header" in caught.message
    assert "recognisable" not in shown(caught)


def test_an_answer_that_is_cut_anywhere_is_an_outage() -> None:
    """Within its head or within its JSON."""
    whole = answer("200 OK", json.dumps({"items": ["x" * 2 * LONGEST_CUT]}))
    said = set()
    with speaking(lambda _: whole) as url, FaultProxy(int(url.rpartition(":")[2])) as proxy:
        proxy.mode = "truncate"
        for _ in range(20):
            said.add(failure(proxy.url, KEY, TransientError).message.partition("(")[2])
    assert any("the answer ends early" in each for each in said)
    assert any("without an answer" in each or "no HTTP" in each for each in said), said


def test_what_is_quoted_is_short_and_without_a_key_as_it_is() -> None:
    assert quoted("x" * 1000, None) == "x" * 300
    assert quoted(ValueError("no key"), "") == "no key"
