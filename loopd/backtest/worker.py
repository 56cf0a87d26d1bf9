"""Owns a worker process of a backtest: tasks come in on standard input, news go out as JSON lines.

Must not decide what is run. It ends when its input ends, so that it never outlives the process
that started it, however that one dies.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from loopd import log
from loopd.backtest.trial import Trial, run_trial, write_first_batches
from loopd.config import LogSection
from loopd.errors import LoopdError
from loopd.events import RoundEvaluated
from loopd.loop.data_sets import DataSets, read_data
from loopd.loop.stop import Stop, on_signals
from loopd.machine import Phase, State
from loopd.metrics_log.writer import rows

GRACE_SECONDS = 10.0
"""Time for the step at hand once nobody listens any more; the journal survives the end."""

Message = dict[str, Any]


def main() -> int:
    """Work until the input ends or a stop is asked for."""
    channel = _own_output()
    log.set_up(LogSection(level="warning", format="text"))
    stop = Stop(second_kills=True)
    tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, stop), daemon=True).start()
    with on_signals(stop):
        worker = Worker(stop, lambda message: _send(channel, message))
        while (line := tasks.get()) is not None:
            if stop.is_set() or not worker.work(json.loads(line)):
                break
    return 0


def _send(channel: IO[str], message: Message) -> None:
    channel.write(f"{json.dumps(message)}\n")
    channel.flush()


def _own_output() -> IO[str]:
    """Standard output for the messages alone: what libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _listen(tasks: queue.SimpleQueue[str | None], stop: Stop) -> None:
    for line in sys.stdin:
        tasks.put(line)
    stop.set()
    tasks.put(None)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)


class Worker:
    """Does one task after the other; keeps the data that they share.

    Args:
        stop: the wish to end.
        tell: takes each message.
    """

    def __init__(self, stop: Stop, tell: Callable[[Message], None]) -> None:
        self._stop = stop
        self._tell = tell
        self._data: tuple[str, DataSets] | None = None

    def work(self, task: Message) -> bool:
        """Do a task; returns whether there may be another."""
        trials = [Trial.from_json(section) for section in task["trials"]]
        try:
            done = self._first(trials) if task["kind"] == "first" else self._run(trials[0])
        except LoopdError as error:
            self._tell({"news": "error", **_error_fields(error)})
            return False
        self._tell({"news": "done" if done else "stopped"})
        return done

    def _first(self, trials: list[Trial]) -> bool:
        write_first_batches(
            trials,
            self._read(trials[0]),
            self._stop,
            lambda seed: self._tell({"news": "first", "seed": seed}),
        )
        return not self._stop.is_set()

    def _run(self, trial: Trial) -> bool:
        state = run_trial(trial, self._read(trial), self._stop, self._report)
        gc.collect()  # a finished run's model and encoder hang together in a cycle
        return state.phase is Phase.DONE

    def _report(self, event: RoundEvaluated, state: State) -> None:
        self._tell({"news": "round", "round": event.round, "row": rows(state)[-1]})

    def _read(self, trial: Trial) -> DataSets:
        config = trial.config
        key = repr((config.pool, config.test, config.task))
        if self._data is None or self._data[0] != key:
            self._data = (key, read_data(config))
        return self._data[1]


def _error_fields(error: LoopdError) -> Message:
    return {"exit_code": error.exit_code, "message": error.message, "hint": error.hint}


if __name__ == "__main__":
    sys.exit(main())
