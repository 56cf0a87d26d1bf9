"""Runs the real daemon, notes what its models are trained on, and may kill it or set its clock.

``python -m tests.faults.watched CONFIG``. From the environment: ``SOAK_KILL`` as ``before 3`` or
``after 3`` is SIGKILL around the third event of this process, ``SOAK_CLOCK`` the seconds by which
its wall clock is wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

LESSONS = "lessons.jsonl"


def set_clock(seconds: float) -> None:
    real = time.time
    time.time = lambda: real() + seconds


def note_lessons(path: Path) -> None:
    from loopd.learning.trainer import Trainer

    real = Trainer.model

    def model(self: Any, lesson: Any) -> Any:
        around = self._surroundings
        ids = [around.pool.records[place].id for place in lesson.positions]
        given = dict(zip(ids, (around.labels[each] for each in lesson.y), strict=True))
        line = json.dumps({"id": lesson.id, "round": lesson.round, "targets": given})
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        return real(self, lesson)

    Trainer.model = model


def draw_no_plots() -> None:
    """Importing what draws them takes longer than all that is tested here."""
    from loopd.loop import daemon

    daemon.plot = lambda state, folder: None


def kill_around(when: str, count: int) -> None:
    from loopd.state.journal import Journal

    real, number = Journal.append, 0

    def append(journal: Journal, event: Any) -> None:
        nonlocal number
        number += 1
        if (when, number) == ("before", count):
            os.kill(os.getpid(), signal.SIGKILL)
        real(journal, event)
        if (when, number) == ("after", count):
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.append = append


def main() -> None:
    config = Path(sys.argv[1])
    set_clock(float(os.environ.get("SOAK_CLOCK", "0")))
    note_lessons(config.parent / LESSONS)
    draw_no_plots()
    when, _, count = os.environ.get("SOAK_KILL", "never 0").partition(" ")
    kill_around(when, int(count))

    from loopd.cli import main as loopd

    loopd(["run", str(config)])


if __name__ == "__main__":
    main()
