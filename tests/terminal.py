"""A command at a real terminal (a pseudo-terminal): what it writes, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from tests.faults.nursery import Forked, Nursery

SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07]*\x07")


class AtTerminal:
    """``loopd`` as somebody sees it.

    Args:
        words: of the command.
        columns, rows: of the terminal.
        env: added to the environment.
        folder: to work in.
        out: takes standard output, where that is no terminal.
        nursery: forks the process, where it has a folder and all of its output is shown; without
            one Python is started.
    """

    def __init__(
        self,
        *words: str,
        columns: int = 100,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        out: Path | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.columns, self.rows, self.written = columns, rows, ""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        usual = {name: value for name, value in os.environ.items() if name not in SHAPING}
        usual |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
        usual |= env or {}
        self._out = None if out is None else out.open("wb")
        self.process: subprocess.Popen[bytes] | Forked
        if nursery is not None and folder is not None and out is None:
            self.process = nursery.at_terminal(os.ttyname(slave), words, folder, usual)
        else:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loopd", *words],
                stdin=slave,
                stdout=slave if self._out is None else self._out,
                stderr=slave,
                env=usual,
                cwd=folder,
                start_new_session=True,
                preexec_fn=_take_terminal,  # noqa: PLW1509 - the tests that use it have no threads
            )
        os.close(slave)
        self._master = master

    def until(self, text: str, seconds: float = 120.0) -> str:
        """Read until the text was written; everything so far.

        Raises:
            TimeoutError: it never was.
        """
        deadline = time.monotonic() + seconds
        while text not in plain(self.written):
            if not self._read(deadline):
                raise TimeoutError(f"{text!r} was never written:\n{self.written[-3000:]}")
        return self.written

    def press(self, keys: str) -> None:
        """Type; ``\\x03`` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def ended(self, seconds: float = 120.0) -> int | None:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        os.close(self._master)
        if self._out is not None:
            self._out.close()
        return self.process.wait(timeout=seconds)

    def screen(self) -> list[str]:
        """The lines that the terminal holds now, those above the screen included."""
        return screen_of(self.written, self.columns)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side has ended
            return False
        self.written += data.decode("utf-8", "replace")
        return bool(data)


SHAPING = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "TERM", "CI", "TTY_COMPATIBLE")
"""Variables by which programs think of their terminal."""


def plain(written: str) -> str:
    """What was written without its sequences."""
    return SEQUENCE.sub("", written).replace("\r", "")


def screen_of(written: str, columns: int) -> list[str]:
    """What a terminal shows that understands moves up, erasing, colours, and nothing else."""
    lines, row, column, index = [""], 0, 0, 0
    while index < len(written):
        match = SEQUENCE.match(written, index)
        if match:
            index = match.end()
            count = int(match[1]) if (match[1] or "").isdigit() else 1
            if match[2] == "A":
                row = max(0, row - count)
            elif match[2] == "K":
                lines[row] = "" if match[1] == "2" else lines[row][:column]
            continue
        letter = written[index]
        index += 1
        if letter == "\n":  # a terminal goes to the beginning of the line as well
            row, column = row + 1, 0
        elif letter == "\r":
            column = 0
        else:
            width = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
            if column + width > columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += width
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


def interruptible() -> None:
    """Let Ctrl-C through: a test run that a shell has put into the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _take_terminal() -> None:
    interruptible()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
