"""Owns what several commands take and show; must import nothing heavy at the top."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from loopd.monitoring.terminal import Look

CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
"""The configuration file."""


def progress() -> Callable[[str, int, int], None] | None:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    from loopd.progress import TerminalProgress

    return TerminalProgress()


def look() -> Look:
    """What the terminal behind standard output can do; `NO_COLOR` and `COLUMNS` are heeded."""
    from loopd.monitoring.terminal import Look

    def shows_bars() -> bool:
        try:
            "█▁…".encode(sys.stdout.encoding or "ascii")
        except (LookupError, UnicodeEncodeError):
            return False
        return True

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    dumb = os.environ.get("TERM") == "dumb"
    return Look(shutil.get_terminal_size().columns, shows_bars(), colour and not dumb)


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
