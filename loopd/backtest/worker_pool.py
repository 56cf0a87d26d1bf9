"""Owns the worker processes of a backtest, as their starter sees them; must not know what they do.

Processes of their own and not ``multiprocessing``: each gets its threads by environment before a
library is loaded, nothing is pickled, and the pipe to it ends with its starter, however that dies.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loopd import errors
from loopd.compute.processes import LineProcess, LocalProcess
from loopd.compute.schedule import MOST_LOSSES
from loopd.errors import LoopdError, UnexpectedError
from loopd.loop.stop import Stop

STOP_SECONDS = 5.0
"""Time that workers have to leave the step at hand; after that they are killed, and lose it."""

LOOK_SECONDS = 0.1
"""How often the wish to end is looked at."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

WORKER = ("-m", "loopd.backtest.worker")
"""What Python is told to run."""

Message = dict[str, Any]


class WorkItem:
    """What a worker is given.

    Args:
        name: how errors call it, such as ``arm x, seed 3``.
        message: what the worker reads.
        heard: called with each message about it.
    """

    def __init__(self, name: str, message: Message, heard: Callable[[Message], None]) -> None:
        self.name = name
        self.message = message
        self.heard = heard


def run_tasks(
    tasks: Sequence[WorkItem],
    jobs: int,
    log_file: Path,
    stop: Stop,
    start: Callable[[], LineProcess],
) -> None:
    """Do all tasks in parallel processes; returns early when a stop is asked for.

    A task whose machine is lost goes to another one.

    Args:
        tasks: in the order in which they are begun.
        jobs: processes at the same time.
        log_file: takes what the workers write on standard error.
        stop: the wish to end.
        start: starts a process.

    Raises:
        LoopdError: a task failed; the others were stopped, and what they finished is kept.
    """
    waiting = deque(tasks)
    inbox: queue.SimpleQueue[tuple[_Worker, Message | None]] = queue.SimpleQueue()
    workers = [_Worker(start(), log_file, inbox) for _ in range(min(jobs, len(tasks)))]
    losses = Counter[str]()
    try:
        for worker in workers:
            worker.give(waiting.popleft())
        while any(worker.task for worker in workers) and not stop.is_set():
            try:
                worker, message = inbox.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if message is None and worker.is_lost(losses):
                again = _Worker(start(), log_file, inbox)
                workers[workers.index(worker)] = again
                if worker.task is not None:
                    again.give(worker.task)
                worker.end(0.0)
            elif worker.heard(message) and waiting:
                worker.give(waiting.popleft())
    finally:
        _end(workers)


class _Worker:
    """One process; ``task`` is what it works on, ``None`` when it is idle."""

    def __init__(
        self,
        process: LineProcess,
        log_file: Path,
        inbox: queue.SimpleQueue[tuple[_Worker, Message | None]],
    ) -> None:
        self.task: WorkItem | None = None
        self._inbox = inbox
        self._log_file = log_file
        self._process = process
        threading.Thread(target=self._listen, daemon=True).start()

    def give(self, task: WorkItem) -> None:
        """Begin a task."""
        self.task = task
        try:
            self._process.write(json.dumps(task.message))
        except BrokenPipeError:
            return  # it died: its output ends too, and says so

    def is_lost(self, losses: Counter[str]) -> bool:
        """Whether its machine is gone, and its task has not cost too many of them."""
        if self.task is None or not self._process.is_lost:
            return False
        losses[self.task.name] += 1
        return losses[self.task.name] <= MOST_LOSSES

    def heard(self, message: Message | None) -> bool:
        """Take a message; returns whether the worker is free now.

        Raises:
            LoopdError: the task failed, or the process died.
        """
        task = self.task
        if task is None:
            return False
        if message is None:
            raise self._died(task)
        if message["news"] == "error":
            raise _error(task, message)
        if message["news"] in ("done", "stopped"):
            self.task = None
        task.heard(message)
        return self.task is None and message["news"] == "done"

    def let_go(self) -> None:
        """Tell the process to end, after the step at hand."""
        self._process.close_input()

    def end(self, seconds: float) -> None:
        """Wait so long for the process to end, then kill it."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.close()

    def _listen(self) -> None:
        for line in self._process.lines():
            self._inbox.put((self, json.loads(line)))
        self._inbox.put((self, None))

    def _died(self, task: WorkItem) -> LoopdError:
        code = self._process.wait()
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        if code < 0:
            return errors.RunError(
                f"{task.name}: its process was killed by signal {-code}",
                "if memory ran out, take fewer --jobs; start again to go on",
            )
        return UnexpectedError(f"{task.name}: its process ended with code {code}: {last}")


def local_worker(threads: int, log_file: Path) -> LineProcess:
    """A worker process of this machine with so many CPU threads."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    return LocalProcess([sys.executable, *WORKER], environment, log_file)


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.let_go()
    deadline = time.monotonic() + STOP_SECONDS
    for worker in workers:
        worker.end(max(0.0, deadline - time.monotonic()))


def _error(task: WorkItem, message: Message) -> LoopdError:
    """The worker's error with the name of the task, of the same class."""
    text = f"{task.name}: {message['message']}"
    kinds = [member for member in vars(errors).values() if isinstance(member, type)]
    for kind in kinds:
        if issubclass(kind, LoopdError) and kind.exit_code == message["exit_code"]:
            return UnexpectedError(text) if kind is UnexpectedError else kind(text, message["hint"])
    return LoopdError(text, message["hint"])
