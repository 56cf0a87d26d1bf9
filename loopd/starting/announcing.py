"""Owns what `loopd start` says while it works: where people label, and how each round went.

Must not say that records are there before a person would see them.
"""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from loopd.annotation.argilla_store import annotation_page
from loopd.config import Config
from loopd.embedded_argilla.options import Account
from loopd.errors import LoopdError
from loopd.events import Event, RoundEvaluated, RunStopped
from loopd.loop.observers import RunView
from loopd.machine import State
from loopd.metrics_log.rows import metric_of
from loopd.metrics_log.table import round_header, round_line
from loopd.metrics_log.writer import rows
from loopd.oracle.people_api import PeopleApi

LOOK_SECONDS = 0.2
"""Between two looks for the first open record."""

PATIENCE = 5.0
"""Seconds for which the last look may go on."""


class Announcer:
    """Looks with a person's own eyes until something is open, and then says where.

    Args:
        config: of the run, with the address of the server that runs.
        account: of the person who is to log in.
        out: takes each line.
        browser: whether a browser opens where there is one.
    """

    def __init__(
        self, config: Config, account: Account, out: Callable[[str], None], *, browser: bool
    ) -> None:
        self._config, self._account, self._out, self._browser = config, account, out, browser
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="announcer", daemon=True)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look from here to the end of the context."""
        self._thread.start()
        try:
            yield
        finally:
            self._closed.set()
            self._thread.join(PATIENCE)

    def _watch(self) -> None:
        with closing(PeopleApi(self._config.argilla.url, self._account.api_key)) as person:
            page = None
            while page is None and not self._closed.wait(LOOK_SECONDS):
                page = self._page(person)
        if page is not None:
            self._announce(page)

    def _page(self, person: PeopleApi) -> _Page | None:
        """Where people may label, once a record is open to the person or to others."""
        section = self._config.argilla
        try:
            workspace = person.workspace_id(section.workspace)
            desk = person.desk(workspace, section.dataset) if workspace is not None else None
            if desk is None:
                return None
            is_open = bool(person.pending(desk))
            if not is_open and not person.unfinished(desk):
                return None
        except LoopdError:
            return None
        return _Page(annotation_page(section.url, desk.id), is_open)

    def _announce(self, page: _Page) -> None:
        self._out("")
        self._out(f"  Label here   {page.url}")
        self._out(f"  Log in as    {self._account.username}, password {self._account.password}")
        self._out("")
        if not page.is_open:
            self._out(
                f"{self._account.username} has labelled all that is out: the rest waits for others."
            )
        self._out("A line appears here after each round. Ctrl-C ends; the same command goes on.")
        if self._browser and has_browser():
            webbrowser.open(page.url)


@dataclass(frozen=True, slots=True)
class _Page:
    """Where people label, and whether the person of the login has something to do there."""

    url: str
    is_open: bool


class RoundLines:
    """An observer that prints a line for each round.

    Args:
        out: takes each line.
    """

    def __init__(self, out: Callable[[str], None]) -> None:
        self._out, self._headed, self._waits = out, False, False

    def began(self, run_view: RunView) -> None:
        """Nothing to say: the address comes first."""

    def saw(self, event: Event, state: State) -> None:
        """Print the round that was just measured, and why the run ends."""
        if isinstance(event, RoundEvaluated):
            last = rows(state)[-1]
            if not self._headed:
                self._headed = True
                self._out(round_header(metric_of([last])))
            self._out(round_line(last))
        elif isinstance(event, RunStopped):
            self._out(f"The run ends: {event.reason}.")

    def waits(self, failure: LoopdError) -> None:
        """Say why nothing goes on, once."""
        if not self._waits:
            self._waits = True
            self._out(f"waiting: {failure.message}")

    def reached(self) -> None:
        """Say that it goes on."""
        self._waits = False
        self._out("it goes on")

    def ended(self, failure: Exception | None) -> None:
        """The command line tells of a failure."""

    def close(self) -> None:
        """Nothing is held."""


def has_browser() -> bool:
    """Whether a browser with windows can be opened; one in the terminal would be in the way."""
    if os.environ.get("BROWSER") or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
