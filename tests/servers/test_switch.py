"""The switch, and what plays Painless where nothing else does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.servers import (
    DATABASE_LISTS,
    EMBEDDED,
    ENGINE,
    FILES,
    PROCESS,
    SERVERS,
    WEBHOOKS,
    server_of,
)
from tests.servers.boot import play
from tests.servers.stock import PINS

ADD = {"source": "remove(i); ctx._source.responses.add(params.response)"}
REMOVE = {"source": "ctx._source.responses.remove(i);"}


@pytest.mark.parametrize("name", SERVERS)
def test_each_server_says_what_it_is(name: str) -> None:
    server = server_of(name, "")
    assert all((server.title, server.database, server.search))
    assert all(server.lacks.values())


def test_the_embedded_one_lacks_nothing() -> None:
    assert not SERVERS[EMBEDDED].lacks


def test_a_foreign_server_is_neither_stopped_nor_read() -> None:
    assert {FILES, PROCESS, ENGINE} <= set(described("2.8.0"))
    assert {FILES, PROCESS, ENGINE} <= set(described("0.7.2"))


def described(version: str) -> dict[str, str]:
    """What a server of this version lacks, that searches with Elasticsearch."""
    status = {"version": version, "search_engine": {"version": {"number": "8.12.1"}}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(status).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        server = server_of(f"http://127.0.0.1:{listener.server_port}", "a key")
        listener.shutdown()
    assert server.search == "Elasticsearch 8.12.1"
    return dict(server.lacks)


@pytest.mark.parametrize(
    ("version", "lacks"),
    [
        ("2.5.0", set()),
        ("2.4.1", {WEBHOOKS}),
        ("2.2.0", {WEBHOOKS, DATABASE_LISTS}),
        ("0.7.2", set()),
    ],
)
def test_a_foreign_server_says_how_old_it_is(version: str, lacks: set[str]) -> None:
    assert set(described(version)) & {WEBHOOKS, DATABASE_LISTS} == lacks


def test_where_nobody_answers_there_is_no_server() -> None:
    with pytest.raises(ValueError, match="no Argilla answers"):
        server_of("http://127.0.0.1:9", "a key")


@pytest.mark.parametrize(("name", "key"), [("argila", ""), ("https://argilla.example.org", "")])
def test_other_names_and_a_url_without_a_key_are_refused(name: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"ARGILLA_API_KEY|no server"):
        server_of(name, key)


@pytest.mark.parametrize("name", [name for name in SERVERS if name.startswith(("arg", "ext"))])
def test_what_is_installed_is_pinned(name: str) -> None:
    lines = (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in lines if not line.startswith("#"))
    assert any("-server==" in line for line in lines)


@pytest.mark.parametrize(
    ("script", "before", "after"),
    [
        (ADD, None, ["new b"]),
        (ADD, ["old a"], ["old a", "new b"]),
        (ADD, ["old b", "old a"], ["old a", "new b"]),
        (REMOVE, ["old b", "old a"], ["old a"]),
        (REMOVE, None, []),
    ],
)
def test_responses_as_the_scripts_leave_them(
    script: dict[str, Any], before: list[str] | None, after: list[str]
) -> None:
    def responses(words: list[str] | None) -> Any:
        pairs = [word.split() for word in words or ()]
        return None if words is None else [{"id": id_, "age": age} for age, id_ in pairs]

    source = {"responses": responses(before)}
    play({**script, "params": {"response": {"id": "b", "age": "new"}}}, source)
    assert source["responses"] == responses(after)


def test_a_suggestion_is_removed() -> None:
    source: dict[str, Any] = {"suggestions": {"label": {}, "topics": {}}}
    play('ctx._source["suggestions"].remove("label")', source)
    assert source == {"suggestions": {"topics": {}}}
