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
