"""What a server is, the header in which it wants the key, and which are too old."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.annotation.http import ArgillaHttp, FrontError, send
from loopd.annotation.server_version import engine_of, version_of
from loopd.errors import ArgillaError, AuthError

URL = "http://argilla.test"
KEY = "recognisable-key"
ARGILLAS, FORKS = "X-Argilla-Api-Key", "X-Extralit-Api-Key"
REFUSED = {"detail": {"code": "some::UnauthorizedError", "params": {"detail": "no"}}}


class Server:
    """Wants the key in one header; remembers which headers came."""

    def __init__(self, header: str, key: str = KEY, *, refusal: str | None = None) -> None:
        self.header, self.key = header, key
        self.refusal = json.dumps(REFUSED) if refusal is None else refusal
        self.came: list[set[str]] = []
        self.client = httpx.Client(
            base_url=URL, headers={ARGILLAS: KEY}, transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.came.append({name for name in (ARGILLAS, FORKS) if name in request.headers})
        if request.headers.get(self.header) == self.key:
            return httpx.Response(200, json={"id": "1", "method": request.method})
        return httpx.Response(401, text=self.refusal)


def test_argillas_server_never_sees_the_other_header() -> None:
    server = Server(ARGILLAS)
    for _ in range(2):
        send(server.client, "GET", "me")
    assert server.came == [{ARGILLAS}] * 2


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_fork_is_found_out_by_asking_once(method: str) -> None:
    server = Server(FORKS)
    for _ in range(3):
        assert send(server.client, method, "me", params={"a": 1})["method"] == method
    assert [FORKS in headers for headers in server.came] == [False, True, True, True]


def test_a_wrong_key_stays_wrong_and_nothing_is_learnt() -> None:
    server = Server(FORKS, "another key")
    for _ in range(2):
        with pytest.raises(AuthError) as caught:
            send(server.client, "GET", "me")
        assert KEY not in caught.value.message
    assert FORKS not in server.client.headers


def test_a_proxys_401_is_no_reason_to_show_the_key_again() -> None:
    server = Server(FORKS, refusal="<html>who are you?</html>")
    with pytest.raises(FrontError):
        send(server.client, "GET", "me")
    assert server.came == [{ARGILLAS}]


def test_a_client_without_argillas_header_is_left_alone() -> None:
    """That of the fork's own SDK."""
    server = Server(ARGILLAS)
    del server.client.headers[ARGILLAS]
    with pytest.raises(AuthError):
        send(server.client, "GET", "me")
    assert len(server.came) == 1


def test_a_client_of_loopds_knows_what_it_has_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    for header in (ARGILLAS, FORKS):
        server = Server(header)
        http = ArgillaHttp(URL, KEY, 5.0)
        monkeypatch.setattr(http, "_client", server.client)
        http.get("me")
        assert http.is_fork == (header == FORKS)


@pytest.mark.parametrize("number", ["2.0.0", "2.0.1", "2.1.0", "2.2.0", "1.29.1", "2.2.0rc1"])
def test_too_old(number: str) -> None:
    with pytest.raises(ArgillaError, match=r"needs 2\.3 or later") as caught:
        version_of({"version": number}, is_fork=False).refuse_old(URL)
    assert number in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("number", ["2.3.0", "2.3", "2.10.0", "2.8.0", "3.0.0", "0.7.2", "", "x"])
def test_new_enough_or_unknown(number: str) -> None:
    version_of({"version": number}, is_fork=False).refuse_old(URL)


@given(st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]", fullmatch=True))
def test_a_fork_has_numbers_of_its_own(number: str) -> None:
    version = version_of({"version": number}, is_fork=True)
    version.refuse_old(URL)
    assert str(version) == f"Extralit {number}"


def test_a_server_that_says_nothing() -> None:
    assert str(version_of(None, is_fork=False)) == "Argilla of an unknown version"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"version": {"distribution": "opensearch", "number": "2.11.0"}}, "OpenSearch 2.11.0"),
        ({"version": {"number": "8.12.1", "build_flavor": "default"}}, "Elasticsearch 8.12.1"),
        ({"name": "loopd", "storage": "tables"}, "loopd"),
        ({}, ""),
        (None, ""),
    ],
)
def test_engines(engine: Any, words: str) -> None:
    assert engine_of({"version": "2.8.0", "search_engine": engine}) == words


@pytest.mark.parametrize("path", ["version", "status"])
@pytest.mark.parametrize(
    ("content", "is_argillas"),
    [({"version": "2.8.0"}, True), ({"version": 3}, False), ({"id": "1"}, False), ([], False)],
)
def test_only_a_version_is_an_answer_there(path: str, content: Any, is_argillas: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=content))
    with httpx.Client(base_url=URL, transport=transport) as client:
        if is_argillas:
            assert send(client, "GET", path) == content
        else:
            with pytest.raises(FrontError):
                send(client, "GET", path)
