"""Owns the page's server: a thread of the daemon, from the run's beginning to its end.

Must not know what the page shows. Nothing that fails here ends a run.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from loopd import log
from loopd.config import Config, DashboardSection
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.errors import LoopdError, ServerError, StorageError
from loopd.events import Event
from loopd.loop.observers import RunView
from loopd.machine import State
from loopd.ports import bound
from loopd.storage.files import write_atomic
from loopd.storage.run_folder import PAGE_NAME

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from loopd.overview.accounts import AccountNames

TRIES = 20
"""Ports that are tried, one after the other, before any free one is taken."""

FAREWELL = 3.0
"""Seconds that the server has to end."""


class Dashboard:
    """The onlooker that serves page, metrics and health of a run."""

    def __init__(self) -> None:
        self._window = SnapshotHolder()
        self._accounts: AccountNames | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._address: Path | None = None
        self._closing = threading.Event()

    def began(self, run_view: RunView) -> None:
        """Listen; where that cannot be, one warning says so and the run goes on without."""
        self._window.began(run_view)
        config = run_view.tools.config
        listener = listening(config.dashboard)
        if listener is None:
            return
        url = address(listener)
        self._accounts = _accounts(config)
        self._thread = threading.Thread(
            target=self._serve, args=(config, listener), name="dashboard", daemon=True
        )
        self._thread.start()
        self._announce(config, url)

    def saw(self, event: Event, state: State) -> None:
        """See :class:`SnapshotHolder`."""
        self._window.saw(event, state)

    def waits(self, failure: LoopdError) -> None:
        """See :class:`SnapshotHolder`."""
        self._window.waits(failure)

    def reached(self) -> None:
        """See :class:`SnapshotHolder`."""
        self._window.reached()

    def ended(self, failure: Exception | None) -> None:
        """See :class:`SnapshotHolder`."""
        self._window.ended(failure)

    def close(self) -> None:
        """End the server."""
        if self._address is not None:
            with suppress(OSError):
                self._address.unlink(missing_ok=True)
        if self._thread is not None:
            self._closing.set()
            if self._server is not None:
                self._server.should_exit = True
            self._thread.join(FAREWELL)
        if self._accounts is not None:
            self._accounts.close()

    def _announce(self, config: Config, url: str) -> None:
        log.get("dashboard").info("dashboard_here", url=url)
        if not config.dashboard.is_local:
            log.get("dashboard").warning(
                "dashboard_is_open",
                host=config.dashboard.host,
                hint="everybody who reaches this address can read texts, names and answers: put "
                "a proxy with a password before it, or listen on 127.0.0.1",
            )
        path = config.run.dir / PAGE_NAME
        with suppress(StorageError):  # it is a convenience: the log has the address
            write_atomic(path, f"{url}\n")
            self._address = path

    def _serve(self, config: Config, listener: socket.socket) -> None:
        """Import, build and run the server, all in its own thread: the loop need not wait."""
        from loopd.dashboard.page_cache import View
        from loopd.dashboard.routes import application

        view = View(self._window, self._accounts)
        app = application(view, config.dashboard.allowed_hosts)
        self._server = web_server(app)
        if self._closing.is_set():
            listener.close()  # the run was over before this thread was ready
        else:
            self._server.run(sockets=[listener])


def web_server(app: ASGIApp) -> uvicorn.Server:
    """A server of the page; ``run(sockets=[...])`` runs it until ``should_exit`` is set."""
    import uvicorn

    # What fails is said by our own log, once.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    settings = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(settings)


def claimed(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket on that very port; 0 takes any free one. ``option`` is what chose it.

    Raises:
        ServerError: it is taken, or the host is not one of this machine's.
    """
    try:
        return bound(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = f"choose another with {option} (0 takes any free one), or leave it out"
            raise ServerError(f"port {port} on {host} is taken by another program", hint) from None
        problem = f"the page cannot listen on {host}:{port}: {error.strerror or error}"
        raise ServerError(problem, "set `dashboard.host` to an address of this machine") from None


def listening(section: DashboardSection) -> socket.socket | None:
    """A socket on the wanted port, on one of the next, or on any; ``None`` where none can be."""
    logger = log.get("dashboard")
    configured = section.port
    ports = (
        [configured, *range(configured + 1, min(configured + TRIES, 65_536)), 0]
        if configured
        else [0]
    )
    for port in ports:
        try:
            listener = bound(section.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                logger.warning("dashboard_off", problem=f"cannot listen on {section.host}: {error}")
                return None
        else:
            if port != configured:
                logger.warning(
                    "dashboard_port_taken", port=configured, instead=listener.getsockname()[1]
                )
            return listener
    return None


def address(listener: socket.socket) -> str:
    """The URL at which a browser on this machine finds the page."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is asked for, not chosen
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _accounts(config: Config) -> AccountNames | None:
    """A line to Argilla, ``None`` where it cannot be had: the loop itself says what is wrong."""
    from loopd.overview.accounts import AccountNames

    try:
        return AccountNames(config.argilla)
    except LoopdError:
        return None
