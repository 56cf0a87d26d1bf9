"""Owns how a port of this machine is taken; must not know what for."""

from __future__ import annotations

import errno
import socket


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the port, and refuses connections until it listens.

    Args:
        host: an address of this machine, or ``localhost``.
        port: 0 takes any free one.

    Raises:
        OSError: it cannot; with ``EADDRINUSE`` the port is taken.
    """
    name = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    # asyncio sends the parts of an answer at once only where the protocol is given (otherwise 0).
    # On connections that are kept each answer would wait 40 ms for the other side's delayed ACK.
    holding = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A daemon that starts again need not wait for the connections of the one before.
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind((name, port))
    except OSError:
        holding.close()
        raise
    return holding


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there; arguments and errors as of ``bind``."""
    listening = bind(host, port)
    try:
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def can_listen(host: str, port: int) -> bool:
    """Whether the port is free; lets go of it again.

    Raises:
        OSError: no port of that host can be had.
    """
    try:
        bound(host, port).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True
