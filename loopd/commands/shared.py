"""Owns what several commands take and show; must import nothing heavy at the top."""

from __future__ import annotations

import io
import os
import select
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
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
    if sys.stderr is None or not sys.stderr.isatty():
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


class Watching:
    """Says on a terminal what is being looked at, in a line that goes away; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def now(self, name: str) -> None:
        """Say it, in the place of what was said before."""
        self._write(f"looking at: {name} ...")

    def clear(self) -> None:
        """Take it away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r\x1b[2K{text}", nl=False, err=True)
