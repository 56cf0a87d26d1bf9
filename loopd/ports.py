"""Owns how a port of this machine is taken; must not know what for."""

from __future__ import annotations

import errno
import socket


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Args:
        host: an address of this machine, or ``localhost``.
        port: 0 takes any free one.

    Raises:
        OSError: it cannot; with ``EADDRINUSE`` the port is taken.
    """
    name = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A daemon that starts again need not wait for the connections of the one before.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((name, port))
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
