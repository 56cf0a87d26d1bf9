"""Owns what several commands take and show; must import nothing heavy at the top."""

from __future__ import annotations

import io
import os
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

import click

from loopd.progress import can_draw

if TYPE_CHECKING:
    from loopd.config import LogSection
    from loopd.console.drawn import Drawn
    from loopd.console.live import RunConsole
    from loopd.overview.terminal import Look

CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
"""The configuration file."""


class WholeHelp(click.Group):
    """A group whose help says whole what each command does; click cuts it where the line ends.

    Attributes:
        sections: titles, and names of commands in the order in which they are shown; what is in
            none of them comes last.
    """

    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the commands, section by section."""
        left = {name: command for name, command in self.commands.items() if not command.hidden}
        for title, names in (*self.sections, ("Commands", tuple(left))):
            shown = [(name, left.pop(name)) for name in names if name in left]
            if shown:
                with formatter.section(title):
                    formatter.write_dl(
                        [(name, command.get_short_help_str(1000)) for name, command in shown]
                    )


def progress() -> Callable[[str, int, int], None] | None:
    """A progress bar on a terminal, nothing elsewhere."""
    if not can_draw(sys.stderr):
        return None
    from loopd.progress import TerminalProgress

    return TerminalProgress()


def look() -> Look:
    """What the terminal behind standard output can do; `NO_COLOR` and `COLUMNS` are heeded."""
    from loopd.overview.terminal import Look

    def shows_bars() -> bool:
        try:
            "█▁…".encode(getattr(sys.stdout, "encoding", None) or "ascii")
        except (LookupError, UnicodeEncodeError):
            return False
        return True

    colour = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    dumb = os.environ.get("TERM") == "dumb"
    return Look(shutil.get_terminal_size().columns, shows_bars(), colour and not dumb)


def nobody_reads(error: Exception) -> bool:
    """Whether an error is that of a pipe whose reader has ended, as with ``| head``.

    Other pipes and sockets break too: what counts is whether standard output or error is gone.
    """
    return isinstance(error, BrokenPipeError) and any(
        _is_gone(stream) for stream in (sys.stdout, sys.stderr)
    )


def _is_gone(stream: TextIO | None) -> bool:
    try:
        poll = select.poll()
        poll.register(stream.fileno() if stream is not None else -1, 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    except (OSError, ValueError):  # it is closed, or no file
        return False


def write_what_can_be_shown() -> None:
    """Write out what the terminal's encoding lacks, instead of ending with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


LOOKS: Mapping[str, str] = {
    "argilla": "asks Argilla who the key belongs to",
    "data": "reads the texts",
    "dataset": "looks at the dataset in Argilla",
    "model": "loads the model",
    "run": "reads the journal",
    "server": "asks Argilla what it is, and searches in it",
    "stopping": "tries the stopping criteria",
}
"""What a gate is about, where its name does not say what takes so long."""


class Watching:
    """Says on a terminal what is being done, and for how long, in a line that goes away.

    Nothing elsewhere.
    """

    def __init__(self) -> None:
        self._shown = can_draw(sys.stderr)
        self._what, self._since, self._more = "", 0.0, ""
        self._ended = threading.Event()
        self._lock = threading.RLock()

    def __enter__(self) -> Watching:
        if self._shown:
            threading.Thread(target=self._tick, name="watching", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.clear()

    def now(self, name: str) -> None:
        """Say it, in the place of what was said before."""
        with self._lock:
            self._what, self._since, self._more = LOOKS.get(name, name), time.monotonic(), ""
            self._write()

    def progress(self, what: str, done: int, total: int) -> None:
        """Say how far a long step is."""
        with self._lock:
            self._more = f", {what} {done:,} of {total:,}" if done < total else ""

    def clear(self) -> None:
        """Take it away, for something else to be printed."""
        with self._lock:
            self._what = ""
            self._write()

    def _tick(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                if self._what:
                    self._write()

    def _write(self) -> None:
        if not self._shown:
            return
        spent = time.monotonic() - self._since
        text = f"{self._what} ... {spent:.0f} s{self._more}" if self._what else ""
        room = shutil.get_terminal_size().columns - 1
        click.echo(f"\r\x1b[2K{text[:room]}", nl=False, err=True)


class Screen(Protocol):
    """A live console."""

    drawn: Drawn


S = TypeVar("S", bound=Screen)


@contextmanager
def console(section: LogSection, make: Callable[[], S]) -> Iterator[S | None]:
    """The log, and on a terminal a live console above which it stands; ``None`` elsewhere.

    Args:
        section: of the log.
        make: gives the console; called only where there is one.
    """
    from loopd import log

    if not shows_console(section):
        log.set_up(section)
        yield None
        return
    screen = make()
    try:
        with screen.drawn.shown() as file:
            log.set_up(section, file)
            yield screen
    finally:
        log.set_up(section)


def run_console() -> RunConsole:
    """That of a run; says that it starts as long as it is loaded."""
    with Watching() as watching:
        watching.now("starting")
        from loopd.console.live import RunConsole
    return RunConsole(sys.stderr)


class LateConsole:
    """A live console that comes with the run, on a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._console: RunConsole | None = None

    def onlookers(self) -> tuple[RunConsole, ...]:
        """The console, which begins when the run does, and ends with it."""
        if not can_draw(sys.stderr):
            return ()
        from loopd.console.live import RunConsole

        self._console = RunConsole(sys.stderr, ends_with_run=True)
        return (self._console,)

    def progress(self, what: str, done: int, total: int) -> None:
        """A long step is so far."""
        if self._console is not None:
            self._console.progress(what, done, total)


def shows_console(section: LogSection) -> bool:
    """Whether people look at the log, and do not want it as JSON."""
    return section.format != "json" and can_draw(sys.stderr)
