"""Owns the page of a run that no daemon shows: read from its folder, and read anew as it grows.

Must not write into the run's folder, nor ask Argilla. ``loopd page`` is this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loopd.config import Config
from loopd.dashboard.serving import FAREWELL, address, claimed, listening, web_server
from loopd.dashboard.snapshot import PageSource, SnapshotHolder
from loopd.errors import LoopdError, ServerError
from loopd.loop.audit_in_force import in_force
from loopd.loop.stop import Stop, on_signals
from loopd.machine import Phase, State
from loopd.operations.texts import texts_of
from loopd.storage.lock import holder
from loopd.storage.recorded_run import recorded_run
from loopd.storage.run_folder import JOURNAL_NAME, PAGE_NAME

LOOK = 1.0
"""Seconds between two looks at the journal."""

SHARE = 0.1
"""Of the time that may be spent with reading it."""

AT_REST = "No daemon works on this run: answers count as soon as `loopd run` goes on with it."


def serve_page(config: Config, port: int | None, tell: Callable[[str], None]) -> None:
    """Serve the page of a run until Ctrl-C; where its daemon does, only say where.

    Must be called from the main thread.

    Args:
        config: of the run.
        port: to listen on, 0 for any free one; ``None``: the configured one, or the next free one.
        tell: called with lines for people.

    Raises:
        RunError: there is no run.
        ServerError: the port is taken, or there is no address to listen on.
        LoopdError: as reading the journal.
    """
    stop = Stop(second_kills=True)
    with on_signals(stop):
        record = PageRecord(config)
        record.read()
        url = page_of_daemon(config)
        if url:
            tell(f"The daemon of this run serves its page: {url}")
            return
        _serve(record, port, tell, stop)


def page_of_daemon(config: Config) -> str:
    """Where the daemon that works on the run serves its page; empty where none does."""
    if holder(config.run.dir) is None:
        return ""  # one that was killed left its address behind
    with suppress(OSError):
        return (config.run.dir / PAGE_NAME).read_text(encoding="utf-8").strip()
    return ""


@dataclass
class PageRecord:
    """What the page shows of a run's folder.

    Attributes:
        config: of the run.
        holder: of what was read last.
    """

    config: Config
    holder: SnapshotHolder = field(default_factory=SnapshotHolder)
    _source: PageSource | None = None
    _notes: tuple[str, ...] = ()
    _seen: object = None
    _rests_until: float = 0.0

    def read(self) -> None:
        """Read the journal.

        Raises:
            LoopdError: as :func:`~loopd.storage.recorded_run.recorded_run`.
        """
        began, signs = time.monotonic(), self._signs()
        try:
            run = recorded_run(self.config.run.dir)
            source = self._with_texts(run.state)
            self.holder.read(source, run, (*self._rest(run.state), *self._notes))
            self._seen = signs  # only now: what could not be read is tried again
        finally:
            ended = time.monotonic()
            self._rests_until = ended + (ended - began) / SHARE

    def look(self) -> None:
        """Read the journal again if it has changed; one that cannot be read now is tried again."""
        if time.monotonic() >= self._rests_until and self._signs() != self._seen:
            with suppress(LoopdError):
                self.read()

    def _rest(self, state: State) -> tuple[str, ...]:
        is_over = state.phase is Phase.DONE
        return () if is_over or holder(self.config.run.dir) is not None else (AT_REST,)

    def _with_texts(self, state: State) -> PageSource:
        """The texts are read once: a run has the same ones as long as it lives.

        Where they could not be, they are tried again.
        """
        if self._source is None or self._notes:
            config = in_force(self.config, state)
            pool, notes = texts_of(config, state)
            self._source, self._notes = PageSource(config, pool), tuple(notes)
        return self._source

    def _signs(self) -> object:
        """What changes when the journal does, or when a daemon comes or goes."""
        folder = self.config.run.dir
        files = (folder / JOURNAL_NAME, folder / f"{JOURNAL_NAME}-wal")
        return (holder(folder), *map(_sign, files))


def _sign(path: Path) -> object:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


def _serve(record: PageRecord, port: int | None, tell: Callable[[str], None], stop: Stop) -> None:
    from loopd.dashboard.page_cache import View
    from loopd.dashboard.routes import application

    section = record.config.dashboard
    socket = listening(section) if port is None else claimed(section.host, port)
    if socket is None:
        raise ServerError(
            f"the page cannot listen on {section.host}",
            "set `dashboard.host` to an address of this machine",
        )
    with socket:
        server = web_server(application(View(record.holder), section.allowed_hosts))
        thread = threading.Thread(target=server.run, args=([socket],), name="page", daemon=True)
        thread.start()
        tell(f"The page of the run: {address(socket)}")
        tell("Ctrl-C ends it; the run is only read.")
        while not stop.wait(LOOK) and thread.is_alive():
            record.look()
        server.should_exit = True
        thread.join(FAREWELL)
