"""Owns the Argilla of `loopd start`: one that is started and ended, or one that runs already.

Must not know a run; what it hands out is an address and whose it is. Several runs may share an
Argilla: whoever ends last ends it, unless `loopd serve` brought it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from loopd.embedded_argilla.accounts import load_or_create_accounts
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.embedded_argilla.home import ServerHome, is_locked, running_url, unusable
from loopd.embedded_argilla.options import Account
from loopd.errors import Interrupted, ServerError
from loopd.loop.stop import Stop
from loopd.starting.parent_watch import ParentDeathWatch
from loopd.starting.tenants import Tenancy, exclusive

POLL_SECONDS = 0.1

READY_SECONDS = 120.0
"""For which a server that somebody else starts may take to answer."""

END_SECONDS = 15.0
"""For which a server may take to end."""


@dataclass(frozen=True, slots=True)
class Argilla:
    """An Argilla that answers.

    Attributes:
        url: its address.
        annotator: the account with which people log in.
    """

    url: str
    annotator: Account = field(repr=False)


@contextmanager
def argilla_in(
    home: Path, port: int, workspace: str, stop: Stop, meanwhile: Callable[[], None]
) -> Iterator[Argilla]:
    """The Argilla of a home; started unless one works in it already.

    Where it was started by a `loopd start`, the last of those that use it ends it. However the one
    that started it is killed, it ends with that one.

    Args:
        home: folder of the server.
        port: where it is to listen; one that runs already stays where it is.
        workspace: that it is to have.
        stop: set by whoever does not want it any more.
        meanwhile: what to do while it starts; it must end when ``stop`` is set.

    Raises:
        ServerError: it does not start.
        Interrupted: ``stop`` was set first.
    """
    folder = ServerHome(home.absolute())
    meanwhile()
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(folder.path, error) from error
    with ParentDeathWatch() as parent_watch, Tenancy(folder, stop.is_set) as tenancy:
        server = EmbeddedServer(
            home, port, workspace=workspace, own_session=True, popen=parent_watch.popen
        )
        started = False
        try:
            with exclusive(folder, stop.is_set):
                if not is_locked(folder):
                    server.launch()
                    started = True
                    server.await_ready(stop.is_set)
            yield Argilla(_url(folder, stop), load_or_create_accounts(folder).annotator)
        finally:
            if started:
                _leave(server, folder, tenancy)
                parent_watch.release(server.process.pid)
            elif tenancy.is_last():
                _end_left(folder)


def _url(home: ServerHome, stop: Stop) -> str:
    """Where it answers, once it does: `loopd serve` may be about to."""
    deadline = time.monotonic() + READY_SECONDS
    while (url := running_url(home)) is None:
        if not is_locked(home) or time.monotonic() > deadline:
            raise ServerError(
                f"The server that was starting in {home.path} does not answer.",
                hint=f"Look at the end of {home.log}, and start again.",
            )
        if stop.wait(POLL_SECONDS):
            raise Interrupted("a stop was asked for")
    return url


def _leave(server: EmbeddedServer, home: ServerHome, tenancy: Tenancy) -> None:
    """End the server, or leave it to those who use it."""
    with suppress(OSError):
        home.left.write_text(str(server.process.pid))
    if tenancy.is_last():
        server.stop()
        home.left.unlink(missing_ok=True)
    else:
        server.let_go()


def _end_left(home: ServerHome) -> None:
    """End the server that its starter has left to others, of whom nobody is there any more."""
    try:
        left = int(home.left.read_text())
        if left != json.loads(home.info.read_text())["pid"] or not is_locked(home):
            return
    except (OSError, ValueError, KeyError, TypeError):
        return
    with suppress(OSError):
        os.kill(left, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while is_locked(home) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    home.left.unlink(missing_ok=True)
