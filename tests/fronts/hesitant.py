"""A server behind nginx that takes its time for bulks: the longer, the more records are in one."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx

PASSED_ON = ("X-Argilla-Api-Key", "Content-Type")


class Hesitant(ThreadingHTTPServer):
    """Forwards to Argilla; a bulk of new records waits on the way.

    Args:
        target: address of Argilla.
        seconds: that it takes for each record of a bulk.
        obeys: ``before`` it hesitates, ``after`` it has, though nobody waits for it any more, or
            ``never``: then only what comes in time is done.
        patience: seconds for which its caller waits.
    """

    daemon_threads = True

    def __init__(self, target: str, seconds: float, obeys: str, patience: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds, self.obeys, self.patience = seconds, obeys, patience
        self.target = target
        self.bulks: list[int] = []
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Hesitant:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up does so on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: Hesitant

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pause = self._pause(body)
        if self.server.obeys == "before" or not pause:
            answer = self._forward(body)
            time.sleep(pause)
        else:
            time.sleep(pause)
            if self.server.obeys == "never" and pause > self.server.patience:
                return
            answer = self._forward(body)
        self.send_response(answer.status_code)
        for name, value in (
            ("Content-Type", answer.headers.get("Content-Type", "text/plain")),
            ("Content-Length", str(len(answer.content))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - their names upstream

    def _pause(self, body: bytes) -> float:
        if self.command != "POST" or not self.path.endswith("/records/bulk"):
            return 0.0
        self.server.bulks.append(len(json.loads(body)["items"]))
        return self.server.seconds * self.server.bulks[-1]

    def _forward(self, body: bytes) -> httpx.Response:
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        # A client for each request: its server may be closed in the middle of one.
        with httpx.Client(base_url=self.server.target, timeout=60, trust_env=False) as client:
            return client.request(self.command, self.path, content=body, headers=headers)

    def log_message(self, *_: object) -> None:
        """Nothing."""
