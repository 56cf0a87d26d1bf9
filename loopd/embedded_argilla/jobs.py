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

from loopd.embedded_argilla.addresses import RedisAddress
from loopd.embedded_argilla.home import ServerHome
from loopd.embedded_argilla.redis_check import check_redis

_STOP_SECONDS = 5.0
_WATCH_SECONDS = 0.5
_RESTART_SECONDS = 1.0
# The kernel's limit on a socket's path is 104 bytes on macOS and 108 on Linux.
_LONGEST_SOCKET_PATH = 100


@contextmanager
def redis_for(home: ServerHome, address: RedisAddress | None) -> Iterator[str]:
    """Yield the URL of the Redis to enqueue to; ServerError if that at `address` is no use."""
    if address is None:
        with running_redis(home) as url:
            yield url
        return
    check_redis(address)
    yield address.url


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
def running_worker(log: IO[bytes] | int) -> Iterator[None]:
    """Keep a job worker running beside this process, with its output to `log`.

    The worker holds the other end of a pipe and ends when the pipe breaks, so it does not outlive
    this process even when that is killed. A worker that dies is replaced: jobs must not silently
    stop being done.
    """
    keeper = _WorkerKeeper(log)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class _WorkerKeeper:
    """Starts the worker, and starts it again when it ends by itself."""

    def __init__(self, log: IO[bytes] | int) -> None:
        self._log = log
        self._ending = threading.Event()
        self._worker = self._spawn()
        self._thread = threading.Thread(target=self._keep, name="worker keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the worker for good."""
        self._ending.set()
        self._worker.terminate()
        self._thread.join()

    def _keep(self) -> None:
        while True:
            self._wait()
            if self._ending.wait(_RESTART_SECONDS):
                return
            self._worker = self._spawn()
            if self._ending.is_set():
                self._worker.terminate()

    def _wait(self) -> None:
        """Until the worker has ended; one that ignores the wish to end is killed."""
        while self._worker.poll() is None:
            if self._ending.wait(_WATCH_SECONDS):
                _end(self._worker)
        if self._worker.stdin is not None:
            self._worker.stdin.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Its own session keeps a Ctrl-C meant for us from it.
        return subprocess.Popen(
            [sys.executable, "-m", "loopd.embedded_argilla.worker"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


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
