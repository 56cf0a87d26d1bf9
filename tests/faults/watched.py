"""Runs the real daemon, notes what cannot be seen from outside, and may do it harm as a plan says.

``python -m tests.faults.watched CONFIG``. From the environment: ``SOAK_KILL`` as ``before 3`` or
``after 3`` is SIGKILL around the third event of this process, ``SOAK_CLOCK`` the seconds by which
its wall clock is wrong, ``SOAK_FORGETS`` a number of answers after which events are no longer
written (a planted bug).

Beside the configuration it leaves ``lessons.jsonl``, ``closings.jsonl`` (when the loop began its
last look before it closed a batch) and, where the journal alone did not give the state of the
running loop, ``states.jsonl``.
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
CLOSINGS = "closings.jsonl"
STATES = "states.jsonl"


def add_line(path: Path, line: dict[str, Any]) -> None:
    """Append a line of JSON."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")


def set_clock(seconds: float) -> None:
    real = time.time
    time.time = lambda: real() + seconds


def note_lessons(path: Path) -> None:
    from loopd.learning.trainer import Trainer

    real = Trainer.model

    def model(self: Any, lesson: Any) -> Any:
        around = self._context
        ids = [around.pool.records[place].id for place in lesson.positions]
        given = dict(zip(ids, (around.labels[each] for each in lesson.y), strict=True))
        add_line(path, {"id": lesson.id, "round": lesson.round, "targets": given})
        return real(self, lesson)

    Trainer.model = model  # type: ignore[assignment,method-assign]


def note_closings(path: Path) -> None:
    """On the clock that all processes of a machine share, and that does not jump."""
    from loopd.annotation.watcher import AnswerWatcher
    from loopd.events import BatchCollected
    from loopd.storage.journal import Journal

    real, look, began = Journal.append, AnswerWatcher.look, 0.0

    def watched(watcher: AnswerWatcher, *arguments: Any) -> Any:
        nonlocal began
        now = time.monotonic()
        found = look(watcher, *arguments)
        began = now
        return found

    def append(journal: Journal, event: Any) -> None:
        if isinstance(event, BatchCollected):
            add_line(path, {"batch_id": event.batch_id, "at": began})
        real(journal, event)

    AnswerWatcher.look, Journal.append = watched, append  # type: ignore[assignment,method-assign]


def hold_states(path: Path) -> None:
    """At every turn of the loop, fold the journal and hold the result against the live state."""
    from loopd.loop.run import Loop
    from loopd.machine import State, apply
    from loopd.storage.codec import decode
    from loopd.storage.journal import Journal

    read, follow, step = Journal.read, Journal.follow, Loop._step
    mine: list[Journal] = []
    replayed, length = State(), 0

    def remember(journal: Journal) -> Any:
        mine[:] = [journal]
        return read(journal)

    def remember_too(journal: Journal, last: Any) -> bool:
        mine[:] = [journal]
        return follow(journal, last)

    def watched(loop: Loop, state: State) -> Any:
        nonlocal replayed, length
        query = "SELECT name, payload FROM events WHERE seq > ? ORDER BY seq"
        for name, payload in mine[0]._db.execute(query, [length]).fetchall():
            replayed = apply(replayed, decode(name, payload))
            length += 1
        if replayed != state:
            add_line(path, {"phase": state.phase.value, "events": length})
        return step(loop, state)

    Journal.read, Loop._step = remember, watched  # type: ignore[assignment,method-assign]
    Journal.follow = remember_too  # type: ignore[assignment,method-assign]


def forget_events(count: int) -> None:
    """Plant a bug: from so many answers on, new ones change the state without an event."""
    from loopd.events import AnswersCollected
    from loopd.loop.run import Loop
    from loopd.machine import apply

    real = Loop.record

    def record(loop: Loop, state: Any, event: Any) -> Any:
        if isinstance(event, AnswersCollected) and len(state.answers) >= count:
            return apply(state, event)
        return real(loop, state, event)

    Loop.record = record  # type: ignore[assignment,method-assign]


def draw_no_plots() -> None:
    """Importing what draws them takes longer than all that is tested here."""
    from loopd.loop import daemon

    daemon.plot = lambda state, folder: None


def kill_around(when: str, count: int) -> None:
    from loopd.storage.journal import Journal

    real, number = Journal.append, 0

    def append(journal: Journal, event: Any) -> None:
        nonlocal number
        number += 1
        if (when, number) == ("before", count):
            os.kill(os.getpid(), signal.SIGKILL)
        real(journal, event)
        if (when, number) == ("after", count):
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.append = append  # type: ignore[assignment,method-assign]


def main() -> None:
    config = Path(sys.argv[1])
    set_clock(float(os.environ.get("SOAK_CLOCK", "0")))
    note_lessons(config.parent / LESSONS)
    note_closings(config.parent / CLOSINGS)
    hold_states(config.parent / STATES)
    if "SOAK_FORGETS" in os.environ:
        forget_events(int(os.environ["SOAK_FORGETS"]))
    draw_no_plots()
    when, _, count = os.environ.get("SOAK_KILL", "never 0").partition(" ")
    kill_around(when, int(count))

    from loopd.cli import main as loopd

    loopd(["run", str(config)])


if __name__ == "__main__":
    main()
