"""Owns the part of a terminal that is drawn anew several times a second; must not know what it is.

What is logged or printed meanwhile goes above it, whole, and stays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from loopd.overview.terminal import Look

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

TIMES_A_SECOND = 4

Lines = Callable[[Look, int], "list[str]"]
"""Gives what is to be shown, for a look and for so many rows."""


class Drawn:
    """What is drawn on one terminal.

    Args:
        stream: the terminal.
        lines: what is to be drawn; called from a thread of its own.
    """

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        from rich.console import Console

        self._stream, self._lines = stream, lines
        self._console: Console = Console(file=stream, force_terminal=True, highlight=False)
        self._live: Live | None = None
        self._last: list[str] = []
        self.log = cast("TextIO", _Above(self._console, stream))
        """Takes whole lines, which stand above what is drawn."""

    def start(self) -> None:
        """Begin to draw; nothing where that has begun."""
        if self._live is not None:
            return
        from rich.live import Live

        self._live = Live(
            get_renderable=self._text,
            console=self._console,
            refresh_per_second=TIMES_A_SECOND,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=True,
        )
        self._live.start()
        # A second Ctrl-C ends the process where it is: nobody would show the cursor again.
        self._console.show_cursor(True)

    def stop(self) -> None:
        """Draw once more, and leave it there."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def shown(self) -> Iterator[TextIO]:
        """Draw until the end of the work; gives the place of the log."""
        try:
            self.start()
            yield self.log
        finally:
            self.stop()

    @property
    def look(self) -> Look:
        """What the terminal can do now: people change its size."""
        return Look(
            self._console.size.width, _knows_bars(self._stream), not os.environ.get("NO_COLOR")
        )

    def _text(self) -> Text:
        from rich.text import Text

        try:
            self._last = self._lines(self.look, self._console.size.height)
        except Exception as error:  # noqa: BLE001 - who looks on must not harm the run
            self._last = [f"(nothing can be shown: {type(error).__name__}: {error})"]
        return Text.from_ansi("\n".join(self._last), overflow="fold")


class _Above:
    """A text file whose lines stand above what is drawn."""

    def __init__(self, console: Console, stream: TextIO) -> None:
        self._console, self._stream, self._begun = console, stream, ""

    def write(self, text: str) -> int:
        """Take text; a line is shown when it is whole."""
        from rich.text import Text

        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._console.print(Text.from_ansi(line), soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing waits but a line that is not whole."""

    def isatty(self) -> bool:
        """Whether people read it."""
        return True

    @property
    def encoding(self) -> str:
        """That of the terminal."""
        return getattr(self._stream, "encoding", None) or "utf-8"


def _knows_bars(stream: TextIO) -> bool:
    try:
        "█▁…⠋".encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
