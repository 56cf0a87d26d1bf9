"""An Argilla whose search has an index of its own, which can lose documents, lag and fail.

The embedded server has no index beside its database, so one is played: a front on loopback through
which daemon and people go. It leaves out of the search's answers what the index lacks, and takes in
again what is written. An engine with a real index may offer ``lose_documents(dataset_id,
record_ids)`` on its ``LiveArgilla``; then they are really deleted there.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import httpx

from tests.live import LiveArgilla

Json = dict[str, Any]

_DROPPED = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}
_LONGEST = 180
"""Seconds for one request; a bulk takes its time on a busy machine."""


class LossyFront:
    """Argilla at another address, with a search that is not as good as its database.

    Args:
        live: the server behind it.

    Attributes:
        lag: seconds after which the search shows what was written.
        search_fails, writes_fail: whether these requests get HTTP 500.
        created, rewritten: how often each record was, by Argilla's id.
    """

    def __init__(self, live: LiveArgilla) -> None:
        self._live = live
        self._lost: set[str] = set()
        self._shown_from: dict[str, float] = {}
        self._lock = threading.Lock()
        self.lag = 0.0
        self.search_fails = self.writes_fail = False
        self.created, self.rewritten = Counter[str](), Counter[str]()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> LossyFront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lose(self, dataset_id: str, record_ids: Collection[str]) -> None:
        """Delete these documents from the index; the records stay in the database."""
        delete = getattr(self._live, "lose_documents", None)
        if delete is not None:
            delete(dataset_id, record_ids)
        else:
            with self._lock:
                self._lost |= set(record_ids)

    def rebuilt(self) -> None:
        """Somebody has built the index anew: all documents are there."""
        with self._lock:
            self._lost.clear()

    # -- what comes by -------------------------------------------------------------------------

    def answer(self, method: str, path: str, headers: Json, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request."""
        is_search = path.partition("?")[0].endswith("/records/search")
        fails = self.search_fails if is_search else self.writes_fail and method != "GET"
        if fails:
            return 500, b'{"detail": {"code": "argilla.api.errors::GenericServerError"}}'
        # A client for each request: a connection that the server has just let go would lose its
        # answer, and one that another thread makes while its client is closed would never be.
        with httpx.Client(base_url=self._live.url, timeout=_LONGEST, trust_env=False) as client:
            response = client.request(method, path, headers=headers, content=body)
        status = response.status_code
        if status not in (200, 201) or not response.content:
            return status, response.content
        if is_search:
            return status, self._found(response.json())
        if "/records" in path and method in ("PUT", "POST", "PATCH"):
            is_new = path.endswith("/records/bulk") and method == "POST"
            self._index(response.json(), self.created if is_new else self.rewritten)
        return status, response.content

    def _found(self, answer: Json) -> bytes:
        now = time.monotonic()
        with self._lock:
            items = [each for each in answer["items"] if self._shows(each["record"]["id"], now)]
        lacks = len(answer["items"]) - len(items)
        return json.dumps({**answer, "items": items, "total": answer["total"] - lacks}).encode()

    def _shows(self, record_id: str, now: float) -> bool:
        return record_id not in self._lost and now >= self._shown_from.get(record_id, 0.0)

    def _index(self, answer: Json, counts: Counter[str]) -> None:
        """Records that were written are in the index again, some time later."""
        records = answer.get("items", [answer])
        now = time.monotonic()
        with self._lock:
            for record in records:
                if "fields" in record:  # no response
                    known = record["id"] in self._shown_from and record["id"] not in self._lost
                    self._lost.discard(record["id"])
                    if not known:
                        self._shown_from[record["id"]] = now + self.lag
                    counts[record["id"]] += 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Tests read the daemon's log."""

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = {k: v for k, v in self.headers.items() if k.lower() not in _DROPPED}
                try:
                    status, body = front.answer(
                        self.command, self.path, sent, self.rfile.read(length)
                    )
                except httpx.HTTPError:
                    status, body = 502, b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

        return Handler
