"""`serve`: brings the embedded Argilla up in this process and takes it down; no command line here."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import ipaddress
import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.errors import ServerError
from loopd.server.accounts import (
    Accounts,
    ensure_accounts,
    load_or_create_accounts,
    load_or_create_auth_secret,
)
from loopd.server.database import prepare_database
from loopd.server.environment import apply_environment
from loopd.server.home import ServerHome, locked, open_home
from loopd.server.jobs import running_redis, running_worker
from loopd.server.options import ServerInfo, ServerOptions

_LOG = logging.getLogger("loopd.server")
_HEALTH_PATH = "/api/v1/version"
_HEALTHY_WITHIN_SECONDS = 60.0
_GRACEFUL_SECONDS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NEEDED = ("argilla_server", "fakeredis")


def serve(options: ServerOptions, announce: Callable[[ServerInfo], None]) -> None:
    """Serve Argilla in this process until SIGINT or SIGTERM; a second signal forces.

    `announce` is called once, from this thread, when the server answers on its own URL. It must be
    called from the main thread. Raises ServerError, before Argilla is imported where possible, when
    the port is taken, the home cannot be used or is in use, the host is not a loopback address
    (unless allowed), or the `server` extra is missing.
    """
    _check_installed()
    _check_host(options)
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_on_signals())
        listener = stack.enter_context(_bound_socket(options.host, options.port))
        home = open_home(options.home)
        stack.enter_context(locked(home))
        home.info.unlink(missing_ok=True)
        stack.callback(home.info.unlink, missing_ok=True)
        start = _prepare(options, home, stack)
        if not stop.is_set():
            _run(options, home, listener, start, lambda info: _ready(home, info, announce), stop)


@dataclass(frozen=True, slots=True)
class _Start:
    accounts: Accounts
    app: Any
    log_path: Path


def _ready(home: ServerHome, info: ServerInfo, announce: Callable[[ServerInfo], None]) -> None:
    home.write_info(info.url)
    announce(info)


def _prepare(options: ServerOptions, home: ServerHome, stack: ExitStack) -> _Start:
    """Do everything that comes before serving: secrets, environment, Redis, imports, migration."""
    log_path = options.log_file or home.log
    _log_to(log_path)
    accounts = load_or_create_accounts(home)
    home.clear_temporary()
    stack.callback(home.clear_temporary)
    redis_url = stack.enter_context(running_redis(home))
    apply_environment(home, load_or_create_auth_secret(home), redis_url)
    app = _import_argilla(home)
    prepare_database(home.database)
    home.database.chmod(0o600)
    return _Start(accounts, app, log_path)


def _run(
    options: ServerOptions,
    home: ServerHome,
    listener: socket.socket,
    start: _Start,
    ready: Callable[[ServerInfo], None],
    stop: threading.Event,
) -> None:
    info = ServerInfo(
        url=_url(listener),
        first_start=start.accounts.fresh,
        owner=start.accounts.owner,
        annotator=start.accounts.annotator,
        workspace=options.workspace,
    )
    _listen(listener, options)
    with start.log_path.open("ab") as log, running_worker(log):
        asyncio.run(_serve_until_stopped(start, info, listener, ready, stop))


async def _serve_until_stopped(
    start: _Start,
    info: ServerInfo,
    listener: socket.socket,
    ready: Callable[[ServerInfo], None],
    stop: threading.Event,
) -> None:
    await ensure_accounts(start.accounts, info.workspace)
    server = _http_server(start.app)
    server.should_exit = stop.is_set()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    if await _healthy(info.url, serving):
        ready(info)
    await serving
    if not server.started:
        raise ServerError(
            "Argilla did not start.", hint=f"The reason is at the end of {start.log_path}."
        )


def _http_server(app: Any) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            # uvicorn forces on a second SIGINT only; a second SIGTERM means the same to us.
            self.force_exit = self.should_exit
            self.should_exit = True

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
    )
    return Server(config)


async def _healthy(url: str, serving: asyncio.Task[None]) -> bool:
    """Ask our own URL until it answers; false when serving ended instead (stopped or failed)."""
    import httpx

    deadline = asyncio.get_running_loop().time() + _HEALTHY_WITHIN_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        while not serving.done():
            try:
                (await client.get(url + _HEALTH_PATH)).raise_for_status()
                return True
            except httpx.HTTPError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise ServerError(f"{url} does not answer: {error}.") from error
            await asyncio.wait([serving], timeout=0.05)
    return False


def _import_argilla(home: ServerHome) -> Any:
    # The import copies Argilla's web pages into a new temporary folder and leaves it there; ours is
    # emptied at every start and stop.
    tempfile.tempdir = str(home.temporary)
    from argilla_server import app

    import loopd.server.search  # noqa: F401  (registers the engine named in the environment)

    return app


def _check_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerError(
            f"The embedded server needs {' and '.join(missing)}, which is not installed.",
            hint="Run: pip install 'loopd[server]'",
        )


def _check_host(options: ServerOptions) -> None:
    if options.allow_remote or is_loopback(options.host):
        return
    raise ServerError(
        f"{options.host} would let other machines reach this server.",
        hint="Argilla here speaks plain HTTP. Keep 127.0.0.1, or allow remote access explicitly.",
    )


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Hold the port from the start, but refuse connections until the server can answer them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise _cannot_bind(host, port, error) from error
        yield listener


def _listen(listener: socket.socket, options: ServerOptions) -> None:
    # Two starting servers can both bind one port; only one of them can listen on it.
    try:
        listener.listen(2048)
    except OSError as error:
        raise _cannot_bind(options.host, options.port, error) from error


def _cannot_bind(host: str, port: int, error: OSError) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        return ServerError(
            f"Port {port} on {host} is taken by another program.",
            hint="Stop that program, or choose another with --port (0 takes any free one).",
        )
    return ServerError(f"{host}:{port} cannot be served on: {error.strerror or error}.")


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Set the event on a signal during start-up; later uvicorn takes over and hands back to this.

    uvicorn raises the signals it caught again when it is done, which must not kill the process.
    """
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_to(path: Path) -> None:
    # Before Argilla is imported: its own logging set-up steps back when a handler is there.
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        force=True,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    _LOG.setLevel(logging.INFO)
