"""Owns who uses an Argilla that `loopd start` brought; must not start or end it.

Each holds a shared lock on a file in its home, which the system frees however a process ends.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from loopd.embedded_argilla.home import ServerHome, unusable
from loopd.errors import Interrupted

POLL_SECONDS = 0.1


class Tenancy:
    """Holds a place among those who use the server; a context manager.

    Args:
        home: of the server; its folder is there.
        given_up: whether nobody wants the server any more: then waiting for whoever is just ending
            it is over.
    """

    def __init__(self, home: ServerHome, given_up: Callable[[], bool] = lambda: False) -> None:
        self._home, self._given_up, self._stack = home, given_up, ExitStack()
        self._file: IO[str] | None = None

    def __enter__(self) -> Tenancy:
        with ExitStack() as stack:
            try:
                self._file = stack.enter_context(self._home.tenants.open("a+"))
                _wait_for(self._file, fcntl.LOCK_SH, self._given_up)
            except OSError as error:
                raise unusable(self._home.path, error) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def is_last(self) -> bool:
        """Whether nobody else is there; whoever asks is not there any more.

        Of several that ask at once one is told so: a lock that cannot be had alone is given up.
        """
        if self._file is None:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            return False
        return True


@contextmanager
def exclusive(home: ServerHome, given_up: Callable[[], bool]) -> Iterator[None]:
    """Bring the server up alone: whoever comes second waits, and then uses it.

    Raises:
        Interrupted: nobody wants it any more.
        ServerError: the home cannot be written.
    """
    try:
        file = home.launching.open("a+")
    except OSError as error:
        raise unusable(home.path, error) from error
    with file:
        _wait_for(file, fcntl.LOCK_EX, given_up)
        yield


def _wait_for(file: IO[str], how: int, given_up: Callable[[], bool]) -> None:
    """Take a lock as soon as it is free.

    A lock that is waited for inside the system cannot be given up: signals only set a flag.
    """
    while not _taken(file, how):
        if given_up():
            raise Interrupted("a stop was asked for")
        time.sleep(POLL_SECONDS)


def _taken(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
