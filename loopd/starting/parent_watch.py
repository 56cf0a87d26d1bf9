"""Owns that no child process outlives this one, however it ends; must not know what they are.

A small watcher process holds the other end of a pipe. When this process dies, even by SIGKILL, the
operating system closes the pipe, and the watcher ends the processes it was told of.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

GRACE_SECONDS = 15.0
"""Time that children have between SIGTERM and SIGKILL."""

POLL_SECONDS = 0.1

_GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")
"""Becomes the command that follows once it reads a line, and ends where there is none to come."""


class ParentDeathWatch:
    """Ends the held processes when this process dies; a context manager.

    A clean exit from the context ends only the watcher: whoever starts children also ends them.
    """

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in the terminal must not reach the watcher.
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> ParentDeathWatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tell("done")
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait()

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process and hold it: at no moment would it outlive us.

        Its number is known only once it is there. So it does not begin before the watcher has been
        told of it, and never if we die before that.

        Args:
            command: the program and its arguments; it reads nothing.
            options: those of ``subprocess.Popen``.
        """
        process = subprocess.Popen([*_GATE, *command], **{**options, "stdin": subprocess.PIPE})
        self.hold(process.pid)
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # somebody has ended it already
                process.stdin.write(b"go\n")
                process.stdin.close()
        return process

    def hold(self, pid: int) -> None:
        """End this process if we die."""
        self._tell(f"+{pid}")

    def release(self, pid: int) -> None:
        """The process has ended: its number may soon belong to another one."""
        self._tell(f"-{pid}")

    def _tell(self, word: str) -> None:
        pipe = self._watcher.stdin
        if pipe is not None and self._watcher.poll() is None:
            pipe.write(f"{word}\n".encode())
            pipe.flush()


def watch(words: Iterable[str]) -> None:
    """Follow what the holder tells until the pipe ends; then end what is still held."""
    held: set[int] = set()
    for word in words:
        order, number = word[:1], word[1:].strip()
        if order == "+":
            held.add(int(number))
        elif order == "-":
            held.discard(int(number))
        else:
            return
    _end(held)


def _end(pids: set[int]) -> None:
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    # Nobody can ask this process to stop early, so there is no event to wait for.
    while (left := {pid for pid in pids if _signal(pid, 0)}) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for pid in left:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    """Send a signal; returns whether the process is there."""
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    watch(sys.stdin)
