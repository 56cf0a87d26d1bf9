"""`serve`: brings the embedded Argilla up in this process and down again; has no command line."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
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

from loopd.embedded_argilla.accounts import (
    HomeAccounts,
    load_or_create_accounts,
    load_or_create_auth_secret,
)
from loopd.embedded_argilla.database import prepare_database, prepare_postgresql
from loopd.embedded_argilla.environment import (
    apply_environment,
    argilla_environment,
    forget_redis_password,
)
from loopd.embedded_argilla.home import (
    ServerHome,
    check_database_named,
    locked,
    open_home,
    remember_database,
)
from loopd.embedded_argilla.jobs import redis_for, running_worker
from loopd.embedded_argilla.listening import bound_socket, is_loopback, listen, url_of
from loopd.embedded_argilla.options import Account, ServerInfo, ServerOptions
from loopd.embedded_argilla.postgresql import check_database, check_drivers
from loopd.embedded_argilla.throttle import LoginThrottle
from loopd.embedded_argilla.users import settle_users
from loopd.embedded_argilla.waiting_page import Presence, add_script
from loopd.errors import ServerError
from loopd.installation import add_extra

_LOG = logging.getLogger("loopd.embedded_argilla")
_HEALTH_PATH = "/api/v1/version"
_HEALTHY_WITHIN_SECONDS = 60.0
_GRACEFUL_SECONDS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NEEDED = ("argilla_server", "fakeredis")

Announce = Callable[[ServerInfo], None]


def serve(options: ServerOptions, announce: Announce) -> None:
    """Serve Argilla in this process until SIGINT or SIGTERM; a second signal forces.

    `announce` is called once, from this thread, when the server answers on its own URL. Must be
    called from the main thread. Raises ServerError when the port is taken, the home cannot be used
    or is in use, the host is not a loopback address (unless allowed) or the `server` extra is
    missing, all before the slow import of Argilla; and when Argilla does not come up.
    """
    check_installed()
    if options.database is not None:
        check_drivers()
    _check_host(options)
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_on_signals())
        listener = stack.enter_context(bound_socket(options.host, options.port))
        home = open_home(options.home)
        stack.enter_context(locked(home))
        home.info.unlink(missing_ok=True)
        stack.callback(home.info.unlink, missing_ok=True)
        prepared = _prepare(options, home, stack)
        if not stop.is_set():
            _run(prepared, listener, stop, announce)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What serving needs once everything before it is done; `app` is Argilla's ASGI application."""

    options: ServerOptions
    home: ServerHome
    accounts: HomeAccounts
    log_path: Path
    app: Any


def _prepare(options: ServerOptions, home: ServerHome, stack: ExitStack) -> _Prepared:
    """Do everything that comes before serving: secrets, Redis, environment, import, migration."""
    log_path = options.log_file or home.log
    _log_to(log_path)
    if not is_loopback(options.host):
        _LOG.warning("other machines can reach this server, and it speaks plain HTTP")
    check_database_named(home, options.database.shown if options.database else None)
    home.clear_temporary()
    stack.callback(home.clear_temporary)
    redis_url = stack.enter_context(redis_for(home, options.redis))
    auth_secret = load_or_create_auth_secret(home)
    apply_environment(argilla_environment(home, auth_secret, redis_url, options.database))
    if options.database is not None:
        check_database(options.database.shown)
    accounts = load_or_create_accounts(home)
    app = _import_argilla(home)
    if options.database is None:
        prepare_database(home.database)
    else:
        prepare_postgresql(options.database.shown)
        remember_database(home, options.database.shown)
    return _Prepared(options, home, accounts, log_path, app)


def _import_argilla(home: ServerHome) -> Any:
    # The import copies Argilla's web pages into a new temporary folder and leaves it there; ours is
    # emptied at every start and stop.
    tempfile.tempdir = str(home.temporary)
    from argilla_server import app

    import loopd.embedded_argilla.search  # noqa: F401  (registers the engine named in the environment)

    forget_redis_password()
    add_script(home.temporary)
    # What was imported stays until the end. Kept out of garbage collection it costs nothing while
    # serving, nor at exit, where collecting it would take seconds.
    gc.freeze()
    return app


def _run(
    prepared: _Prepared, listener: socket.socket, stop: threading.Event, announce: Announce
) -> None:
    listen(listener)
    with prepared.log_path.open("ab") as log, running_worker(log):
        asyncio.run(_serve(prepared, listener, stop, announce))


async def _serve(
    prepared: _Prepared, listener: socket.socket, stop: threading.Event, announce: Announce
) -> None:
    created_accounts = await settle_users(prepared.options, prepared.home, prepared.accounts)
    server = _http_server(prepared.app)
    server.should_exit = stop.is_set()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = url_of(listener)
    if await _healthy(url, serving):
        # A signal may have come just before uvicorn took over from us.
        server.should_exit = server.should_exit or stop.is_set()
        prepared.home.write_info(url)
        announce(_info(prepared, url, created_accounts))
    await serving
    if not server.started and not stop.is_set():
        raise ServerError(
            "Argilla did not start.", hint=f"The reason is at the end of {prepared.log_path}."
        )


def _info(prepared: _Prepared, url: str, created_accounts: tuple[Account, ...]) -> ServerInfo:
    options, accounts, home = prepared.options, prepared.accounts, prepared.home
    return ServerInfo(
        url=url,
        first_start=accounts.fresh,
        owner=accounts.owner,
        annotator=accounts.annotator,
        workspace=options.workspace,
        accounts_file=home.accounts,
        annotators_file=home.annotators,
        remote=not is_loopback(options.host),
        new_annotators=created_accounts,
        database=options.database.shown if options.database else None,
    )


def _http_server(app: Any) -> Any:
    import uvicorn

    class Server(uvicorn.Server):  # type: ignore[misc]
        should_exit: bool

        def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002
            # uvicorn forces on a second SIGINT only; a second SIGTERM means the same to us.
            self.force_exit = self.should_exit
            self.should_exit = True

    config = uvicorn.Config(
        LoginThrottle(Presence(app)),
        log_config=None,
        access_log=False,
        ws="none",
        # Whoever is on this machine could say to be somebody else with each login.
        proxy_headers=False,
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
            except httpx.HTTPError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise ServerError(f"{url} does not answer: {error}.") from error
            else:
                return True
            await asyncio.wait([serving], timeout=0.05)
    return False


def check_installed() -> None:
    """Raise ServerError when the `server` extra is missing; imports none of it."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerError(
            f"The embedded server needs {' and '.join(missing)}, which is not installed.",
            hint=f"Run: {add_extra('server')}",
        )


def _check_host(options: ServerOptions) -> None:
    if not (options.allow_remote or is_loopback(options.host)):
        raise ServerError(
            f"{options.host} would let other machines reach this server.",
            hint="It speaks plain HTTP: keep 127.0.0.1, or say --allow-remote.",
        )


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Set the event on a signal, and die of a second; while serving, uvicorn takes over."""
    stop = threading.Event()

    def handle(number: int, _frame: Any) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
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
    logging.captureWarnings(True)  # Argilla's libraries have some that nobody at a terminal needs
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    _LOG.setLevel(logging.INFO)
