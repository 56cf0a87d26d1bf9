"""The address the server listens on: bound early, opened late; must not know what is served."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from loopd.errors import ServerError
from loopd.ports import bind

_BACKLOG = 2048


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Hold the port from the start, but refuse connections until `listen`; 0 takes a free port.

    ServerError when the port is taken or the host is not one of this machine's.
    """
    try:
        listener = bind(host, port)
    except OSError as error:
        raise _cannot_bind(host, port, error) from error
    with listener:
        yield listener


def listen(listener: socket.socket) -> None:
    """Accept connections. Two starting servers can both bind a port, but only one can listen."""
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _cannot_bind(host, port, error) from error


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches the listener, without a trailing slash."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cannot_bind(host: str, port: int, error: OSError) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        return ServerError(
            f"Port {port} on {host} is taken by another program.",
            hint="Stop that program, or choose another with --port (0 takes any free one).",
        )
    return ServerError(
        f"{host}:{port} cannot be served on: {error.strerror or error}.",
        hint="Give an address of this machine with --host, or leave it out.",
    )
