"""Owns a process that is spoken to line by line, as one of this machine; knows no work.

The same of another machine is in ``ray_processes``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol


class LineProcess(Protocol):
    """A process that reads lines and writes lines, and ends when its input ends."""

    is_lost: bool
    """Whether it is gone together with its machine, so that another one may do the same."""

    def write(self, line: str) -> None:
        """Give it a line.

        Raises:
            BrokenPipeError: it has ended.
        """
        ...

    def lines(self) -> Iterator[str]:
        """What it writes, until it ends."""
        ...

    def close_input(self) -> None:
        """Tell it to end."""
        ...

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it has not ended by then.
        """
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class LocalProcess:
    """A process of this machine.

    Args:
        arguments: the command.
        environment: all its variables.
        log_file: takes what it writes on standard error, behind what is there.
    """

    is_lost = False

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path
    ) -> None:
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment),
            )

    def write(self, line: str) -> None:
        """Give it a line."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def lines(self) -> Iterator[str]:
        """What it writes."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                yield line.decode()

    def close_input(self) -> None:
        """Tell it to end."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                return

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Read no more."""
        if self._process.stdout is not None:
            self._process.stdout.close()
