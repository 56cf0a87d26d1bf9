"""Argilla's background jobs: the Redis it enqueues to and the worker that runs them (ADR 0002)."""

from __future__ import annotations

import itertools
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from loopd.server.home import ServerHome

_STOP_SECONDS = 5.0
# The kernel's limit on a socket's path is 104 bytes on macOS and 108 on Linux.
_LONGEST_SOCKET_PATH = 100


@contextmanager
def running_redis(home: ServerHome) -> Iterator[str]:
    """Serve an in-memory Redis on a socket that only this user can open; yields its URL."""
    with _socket_folder(home) as folder:
        path = folder / "redis.sock"
        server = _redis_server(str(path))
        thread = threading.Thread(target=server.serve_forever, name="redis", daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def running_worker(log: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the job worker beside this process, with its output to `log`.

    The worker holds the other end of a pipe and ends when the pipe breaks, so it does not outlive
    this process even when that is killed. Its own session keeps a Ctrl-C meant for us from it.
    """
    worker = subprocess.Popen(
        [sys.executable, "-m", "loopd.server.worker"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        _stop(worker)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    if worker.stdin is not None:
        worker.stdin.close()


@contextmanager
def _socket_folder(home: ServerHome) -> Iterator[Path]:
    if len(str(home.temporary / "redis.sock").encode()) <= _LONGEST_SOCKET_PATH:
        yield home.temporary
        return
    folder = Path(tempfile.mkdtemp(prefix="loopd-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _redis_server(path: str) -> socketserver.BaseServer:
    """Return fakeredis' server on a Unix socket instead of TCP.

    RQ unpickles its jobs, so whoever can write to its Redis can run code as us; a TCP port is open
    to every user of the machine, a socket in a 0700 folder is not.
    """
    from fakeredis import TcpFakeServer

    class UnixFakeServer(TcpFakeServer):  # type: ignore[misc]
        address_family = socket.AF_UNIX
        RequestHandlerClass: Any

        def __init__(self, path: str) -> None:
            self._clients_seen = itertools.count(1)
            super().__init__(path)
            self.daemon_threads = True
            self.RequestHandlerClass = _answering_errors(self.RequestHandlerClass)

        def get_request(self) -> tuple[socket.socket, Any]:
            # Clients of a Unix socket have no address, but the server tells them apart by it.
            connection, _ = self.socket.accept()
            return connection, ("unix", next(self._clients_seen))

    Path(path).unlink(missing_ok=True)
    return UnixFakeServer(path)


def _answering_errors(handler: type[Any]) -> type[Any]:
    """Keep a connection open after an error reply, as Redis does.

    fakeredis hangs up. RQ asks for INFO, which fakeredis does not know, before each job it
    enqueues: its next command then fails now and then, and Argilla answers 500.
    """
    from redis.exceptions import ResponseError

    class AnsweringHandler(handler):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def answer() -> Any:
                try:
                    return read()
                except ResponseError as error:
                    return error

            self.current_client.read_response = answer

    return AnsweringHandler
