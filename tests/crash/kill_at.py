"""Runs the real daemon and sends it SIGKILL at one chosen moment around writing an event.

``python -m tests.crash.kill_at before|after N CONFIG``: right before or right after the N-th event
that this process appends. Before means that the effect happened and the fact is not written.
"""

from __future__ import annotations

import os
import signal
import sys

from loopd.events import Event
from loopd.storage.journal import Journal


def main() -> None:
    when, count, config = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    written = Journal.append
    number = 0

    def append(journal: Journal, event: Event) -> None:
        nonlocal number
        number += 1
        if (when, number) == ("before", count):
            os.kill(os.getpid(), signal.SIGKILL)
        written(journal, event)
        if (when, number) == ("after", count):
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.append = append  # type: ignore[assignment,method-assign]

    from loopd.cli import main as loopd

    loopd(["run", config])


if __name__ == "__main__":
    main()
