"""A Hugging Face hub on this machine, as far as uploads need one; keeps what it is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_stub"

LARGE = (".parquet", ".safetensors", ".arrow")
"""Ends of the names of files that the hub keeps in its large file storage."""


class Hub(ThreadingHTTPServer):
    """The server, and what it has.

    Attributes:
        files: contents by path, by kind and name of the repository.
        private: whether a repository was made for its owner alone.
        asked: method and path of all requests.
        failing: status that every commit gets, if any.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[tuple[str, str], dict[str, bytes]] = {}
        self.private: dict[tuple[str, str], bool] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.failing = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_GET(self) -> None:
        self._note()
        if self.path == "/api/whoami-v2":
            return self._answer({"name": "ann", "type": "user", "orgs": []})
        listed = re.fullmatch(r"/api/(\w+)s/(.+)/tree/main", self.path.partition("?")[0])
        if listed is not None:
            files = self.server.files[listed[1], listed[2]]
            return self._answer([_listed(name, content) for name, content in sorted(files.items())])
        return self._file()

    def _file(self) -> None:
        """One file of a repository, for its owner."""
        route = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/main/(.+)", self.path)
        kind = "dataset" if route is not None and route[1] else "model"
        kept = {} if route is None else self.server.files.get((kind, route[2]), {})
        mine = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if route is None or route[3] not in kept or not mine:
            return self._answer({"error": "Repository not found"}, 404)
        return self._answer(kept[route[3]])

    def do_PUT(self) -> None:
        self._note()
        self.server.objects[self.path.rpartition("/")[2]] = self._body()
        self._answer({})

    def do_POST(self) -> None:
        self._note()
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer({"error": "Invalid credentials"}, 401)
        return self._route(body)

    def _route(self, body: bytes) -> None:
        if self.path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        route = re.fullmatch(
            r"/api/(\w+)s/(.+)/(preupload|commit)/main", self.path.partition("?")[0]
        )
        if route is None:
            return self._answer({"error": f"no route {self.path}"}, 404)
        if route[3] == "preupload":
            return self._preupload(json.loads(body))
        return self._commit((route[1], route[2]), body)

    def _create(self, wish: dict[str, Any]) -> None:
        owner = wish.get("organization") or "ann"
        kind = wish.get("type") or "model"
        key = kind, f"{owner}/{wish['name']}"
        prefix = "" if kind == "model" else f"{kind}s/"
        url = f"{self.server.url}/{prefix}{key[1]}"
        if key in self.server.files:
            return self._answer({"error": "exists", "url": url}, 409)
        self.server.files[key] = {}
        self.server.private[key] = bool(wish.get("private")) or wish.get("visibility") == "private"
        return self._answer({"url": url, "id": key[1], "name": key[1]})

    def _preupload(self, wish: dict[str, Any]) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in wish["files"]
        ]
        self._answer({"files": files})

    def _batch(self, wish: dict[str, Any]) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}"}}}
            for each in wish["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects})

    def _commit(self, key: tuple[str, str], body: bytes) -> None:
        if self.server.failing:
            return self._answer({"error": "the hub is tired"}, self.server.failing)
        kept = self.server.files[key]
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                kept[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                kept[value["path"]] = self.server.objects[value["oid"]]
            elif item["key"] == "deletedFile":
                del kept[value["path"]]
        url = f"{self.server.url}/{key[1]}/commit/{'0' * 40}"
        return self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": url})

    def _note(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, content: Any, status: int = 200) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _listed(name: str, content: bytes) -> dict[str, Any]:
    """A file as the hub lists it; of large ones with the digest."""
    file = {"type": "file", "path": name, "oid": "0", "size": len(content)}
    if not name.endswith(LARGE):
        return file
    sha256 = hashlib.sha256(content).hexdigest()
    return file | {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 130}}


@contextmanager
def hub() -> Iterator[Hub]:
    """A hub that runs as long as it is needed."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
