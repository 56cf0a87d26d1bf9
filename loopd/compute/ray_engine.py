"""Owns the connection to a Ray cluster, on which pieces of work are done.

Must not know what work there is. Nothing is imported or connected before it is needed.
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from loopd.compute.engine import LOCAL, Common, Engine, Piece, Result
from loopd.compute.ray_workers import RayWorkers, WorkerNeeds
from loopd.compute.schedule import LOOK_SECONDS, in_order
from loopd.compute.threads import allowed_threads
from loopd.config import ComputeSection
from loopd.config.compute import AUTO, OWN
from loopd.errors import ConfigError
from loopd.installation import add_extra

CONNECT_SECONDS = 5.0
"""Time in which the head of a cluster must answer."""

IDLE_SECONDS = 60.0
"""Without work before workers are let go: to start them again takes some ten seconds."""

LOOPBACK = "127.0.0.1"

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray warns that it will do anyway
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
"""Variables that Ray reads when it is imported, unless they are set already."""

ONLY_HERE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0, Ray takes 127.0.0.1 for what it is; else it asks for the machine's other address, at
which a cluster that listens on this one alone does not answer."""

HOW_TO = "start one with `ray start --head`, or set compute.address to its HOST:PORT or to local"

_ENGINES: dict[tuple[str, WorkerNeeds], RayEngine] = {}
_NUMBERS = itertools.count()


def engine_of(section: ComputeSection, threads: int | None, device: str) -> Engine:
    """The engine that the configuration names; connects to nothing yet.

    Args:
        section: the settings.
        threads: CPU threads of the classifier; ``None``: as in the process that asks.
        device: of the classifier; with ``cpu`` no GPU is taken.
    """
    if section.engine == "local":
        return LOCAL
    key = section.address, WorkerNeeds(threads or allowed_threads(), gpu=device != "cpu")
    if key not in _ENGINES:
        _ENGINES[key] = RayEngine(*key)
    return _ENGINES[key]


def rest() -> None:
    """Let go of clusters that others share, once nobody here has had work for a while.

    Idle workers would keep their CPUs and GPUs from everybody else while people label, and Ray ends
    a process whose cluster goes away. Whoever has work again connects anew.
    """
    connected = [engine for engine in _ENGINES.values() if engine.is_connected]
    if not connected or not all(engine.may_rest for engine in connected):
        return
    import ray

    for engine in connected:
        engine.forget()
    with suppress(Exception):  # gone is gone
        ray.shutdown()


class RayEngine:
    """Work on the machines of a Ray cluster, by one worker on each or by several.

    Args:
        address: of the cluster, see :class:`~loopd.config.compute.ComputeSection`.
        needs: what each worker is given.
    """

    spreads = True

    def __init__(self, address: str, needs: WorkerNeeds) -> None:
        self._address, self._needs = address, needs
        self._used = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Whether it has workers."""
        return "workers" in self.__dict__

    @property
    def may_rest(self) -> bool:
        """Whether it has had no work for a while, on a cluster that is not its own."""
        return self._address != OWN and time.monotonic() > self._used + IDLE_SECONDS

    def forget(self) -> None:
        """Have no workers any more."""
        self.__dict__.pop("workers", None)

    @cached_property
    def workers(self) -> RayWorkers:
        """Of the cluster; connects to it.

        Raises:
            ConfigError: Ray is not installed, or there is no cluster at the address.
        """
        connect(self._address)
        return RayWorkers(self._needs)

    def run(
        self,
        work: Callable[[Common, Piece], Result],
        common: Common,
        pieces: Sequence[Piece],
        interrupt: Callable[[], None],
    ) -> Iterator[Result]:
        """The result of each piece, in the order of the pieces; see :class:`Engine`."""
        if not pieces:
            return
        workers = self.workers
        import ray

        reference, key = [ray.put(common)], f"{os.getpid()}-{next(_NUMBERS)}"

        def begin(actor: Any, number: int) -> Any:  # Ray's
            return actor.do.remote(work, key, reference, pieces[number])

        workers.take_on(begin)
        results: Iterator[Any] = in_order(workers, len(pieces), interrupt)
        try:
            yield from results
        finally:
            self._used = time.monotonic()

    def describe(self) -> str:
        """How many workers there are, and on how many machines."""
        found = self.workers.wait_for_all(lambda: None, LOOK_SECONDS)
        nodes = self.workers.nodes
        return (
            f"Ray: {len(found)} worker{'s' * (len(found) != 1)} on "
            f"{nodes} machine{'s' * (nodes != 1)}, {self._needs.threads} threads each"
        )


def connect(address: str) -> None:
    """Connect this process to a cluster, once.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    head = "" if address == OWN else _head(address)
    if not head or _is_loopback(head):
        os.environ.setdefault(ONLY_HERE, "0")
    try:
        import ray
        from ray._private import ray_constants
    except ImportError:
        problem = "compute.engine is ray, and the package ray is not installed"
        raise ConfigError(problem, add_extra("ray")) from None
    if ray.is_initialized():
        return
    if os.environ.get(ONLY_HERE) == "0":  # too late where somebody has imported Ray before
        ray_constants.ENABLE_RAY_CLUSTER = False
    logging.getLogger("ray").setLevel(logging.ERROR)  # what it writes is not for the terminal
    own: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": LOOPBACK}  # Ray's
    try:
        with _signals_kept():
            ray.init(
                address=head or "local",
                log_to_driver=False,
                configure_logging=False,
                **({} if head else own),
            )
    # Ray has no class for what goes wrong here: ConnectionError, RuntimeError, ValueError and more.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"the Ray cluster at {head}" if head else "a Ray cluster on this machine"
        raise ConfigError(f"cannot use {where}: {reason[:200]}", HOW_TO) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """What a stop does stays as it is: Ray has SIGTERM end the process there and then."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _head(address: str) -> str:
    """HOST:PORT of the cluster's head, at which something listens.

    Raises:
        ConfigError: there is no cluster.
    """
    found = _known_cluster() if address == AUTO else address
    if not found:
        raise ConfigError("compute.engine is ray, and no Ray cluster runs on this machine", HOW_TO)
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        reason = "nothing answers in time" if isinstance(error, TimeoutError) else str(error)
        raise ConfigError(f"no Ray cluster at {found}: {reason}", HOW_TO) from None
    return found


def _known_cluster() -> str:
    """The address of the cluster that was started last on this machine; empty for none."""
    named = os.environ.get("RAY_ADDRESS", "").strip()
    if named and named != AUTO:
        return named
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray"
    try:
        return (folder / "ray_current_cluster").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # the name of a machine
        return False
