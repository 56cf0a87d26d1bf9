"""Owns that no child process outlives this one, however it ends; must not start the children.

A small watcher process holds the other end of a pipe. When this process dies, even by SIGKILL, the
operating system closes the pipe, and the watcher ends the processes it was told of.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from types import TracebackType

GRACE_SECONDS = 15.0
"""Time that children have between SIGTERM and SIGKILL."""

POLL_SECONDS = 0.1


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
