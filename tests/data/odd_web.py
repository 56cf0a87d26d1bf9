"""A web server on 127.0.0.1 that answers as it is told to: short, packed, slowly, or not at all."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class OddFile:
    """A file, and how it is answered.

    Attributes:
        body: what is in it.
        sent: bytes of it after which the connection is closed; ``None``: all of them.
        is_packed: whether it comes compressed, asked for or not.
        tells_size: whether anything is said of its size.
        pause: seconds before each byte.
        status: 200, or why it is not answered.
    """

    body: bytes
    sent: int | None = None
    is_packed: bool = False
    tells_size: bool = True
    pause: float = 0.0
    status: int = 200


@dataclass
class OddWeb:
    """The server: its files by name, and the names of those that were read."""

    files: dict[str, OddFile]
    url: str = ""
    fetched: list[str] = field(default_factory=list)

    @contextmanager
    def shown(self) -> Iterator[OddWeb]:
        """While it is served."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield self
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, web: OddWeb, *args: object) -> None:
        self._web = web
        super().__init__(*args)  # type: ignore[arg-type] # as it came

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def _answer(self, *, is_head: bool) -> None:
        name = self.path.removeprefix("/")
        if not name:
            links = "".join(f'<a href="{name}">{name}</a>' for name in self._web.files)
            self._send(OddFile(links.encode()), "text/html", is_head=is_head)
        elif name not in self._web.files or self._web.files[name].status != 200:
            file = self._web.files.get(name)
            self.send_error(file.status if file else 404)
        else:
            if not is_head:
                self._web.fetched.append(name)
            self._send(self._web.files[name], "text/csv", is_head=is_head)

    def _send(self, file: OddFile, kind: str, *, is_head: bool) -> None:
        body = gzip.compress(file.body, mtime=0) if file.is_packed else file.body
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if file.is_packed:
            self.send_header("Content-Encoding", "gzip")
        if file.tells_size and (is_head or file.sent is None):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_head:
            return
        for byte in range(len(body[: file.sent]) if file.pause else 0):
            time.sleep(file.pause)
            self.wfile.write(body[byte : byte + 1])
        if not file.pause:
            self.wfile.write(body[: file.sent])

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
