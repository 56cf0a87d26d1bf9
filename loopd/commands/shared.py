"""Owns what several commands take and show; must import nothing heavy at the top."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
"""The configuration file."""


def progress() -> Callable[[str, int, int], None] | None:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    from loopd.progress import TerminalProgress

    return TerminalProgress()
