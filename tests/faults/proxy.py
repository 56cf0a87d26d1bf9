"""A TCP proxy on loopback between daemon and Argilla that fails on demand."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from types import TracebackType

_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
_GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<html>...."

LONGEST_CUT = 600
"""Bytes after which an answer is cut, at most; Argilla's heads have some 130."""


class FaultProxy:
    """Forwards to one port; ``mode`` says how new connections fare.

    Modes: ``pass``; ``error`` answers 500; ``garbage`` answers 200 with no JSON; ``cut`` hangs up;
    ``hole`` accepts and never answers; ``truncate`` hangs up in the middle of an answer, sometimes
    within its head, sometimes within its body;
    ``slow`` holds every piece back for a fifth of a second.
    The seed says where. Set ``mode`` at any time: open connections are dropped.
    """

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self._target = target_port
        self._rng = random.Random(f"proxy {seed}")
        self._mode = "pass"
        self._sockets: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        self._pause = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode
        self._drop()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        self._drop()

    def _drop(self) -> None:
        for each in list(self._sockets):
            self._close(each)

    def _close(self, each: socket.socket) -> None:
        self._sockets.discard(each)
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        mode = self._mode
        try:
            if mode in ("pass", "slow", "truncate"):
                cut = self._rng.randint(1, LONGEST_CUT)
                self._forward(client, limit=cut if mode == "truncate" else None)
            elif mode in ("error", "garbage"):
                client.recv(65536)
                client.sendall(_ERROR if mode == "error" else _GARBAGE)
                self._close(client)
            elif mode == "cut":
                self._close(client)
        except OSError:
            self._close(client)

    def _forward(self, client: socket.socket, limit: int | None) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        self._sockets.add(server)
        threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
        self._pump(server, client, limit)

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        try:
            while data := source.recv(65536):
                if self._mode == "slow":
                    self._pause.wait(0.2)
                sink.sendall(data if limit is None else data[:limit])
                limit = None if limit is None else limit - len(data)
                if limit is not None and limit <= 0:
                    break
        except OSError:
            pass
        self._close(source)
        self._close(sink)
