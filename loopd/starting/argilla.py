"""Owns the Argilla of `loopd start`: one that is started and ended, or one that runs already.

Must not know a run; what it hands out is an address and whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loopd.loop.stop import Stop
from loopd.server.accounts import load_or_create_accounts
from loopd.server.embedded import EmbeddedServer
from loopd.server.home import ServerHome, running_url
from loopd.server.options import Account
from loopd.starting.parent_watch import ParentDeathWatch


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
    """The Argilla of a home; started, and ended at the end, unless one works in it already.

    However this process ends, what it has started ends with it.

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
    url = running_url(ServerHome(home.absolute()))
    if url is not None:
        meanwhile()
        accounts = load_or_create_accounts(ServerHome(home.absolute()))
        yield Argilla(url, accounts.annotator)
        return
    server = EmbeddedServer(home, port, workspace=workspace, own_session=True)
    with ParentDeathWatch() as parent_watch:
        server.launch()
        try:
            parent_watch.hold(server.process.pid)
            meanwhile()
            server.await_ready(stop.is_set)
            yield Argilla(server.url, server.annotator)
        finally:
            server.stop()
            parent_watch.release(server.process.pid)
