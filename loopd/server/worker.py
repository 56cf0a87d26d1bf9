"""The job worker's process: runs Argilla's RQ jobs until its parent goes; must not serve HTTP.

Started by `loopd.server.jobs` with the environment of the server, never by hand.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

_SCHEDULER_SECONDS = 1.0


def main() -> None:
    """Work on Argilla's queues until SIGTERM, or until standard input closes."""
    threading.Thread(target=_exit_with_parent, name="parent", daemon=True).start()
    with tempfile.TemporaryDirectory(dir=Path(os.environ["ARGILLA_HOME_PATH"]) / "tmp") as folder:
        # Importing argilla_server copies its web pages into a new temporary folder and leaves it.
        tempfile.tempdir = folder
        _work()


def _work() -> None:
    import argilla_server.jobs.dataset_jobs  # noqa: F401  (first: the package imports in a circle)
    from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
    from rq import SimpleWorker

    import loopd.server.search  # noqa: F401  (registers the engine that jobs ask for by name)

    queues = [HIGH_QUEUE, DEFAULT_QUEUE]
    stop = threading.Event()
    scheduler = threading.Thread(
        target=_schedule, args=(queues, REDIS_CONNECTION, stop), name="scheduler", daemon=True
    )
    scheduler.start()
    # A worker that forks for every job, RQ's default, is not safe on macOS.
    SimpleWorker(queues, connection=REDIS_CONNECTION).work(logging_level="WARNING")
    stop.set()


def _schedule(queues: list[Any], connection: Any, stop: threading.Event) -> None:
    """Move delayed retries (of webhooks) to their queue when due, RQ's scheduler without a fork."""
    from rq.scheduler import RQScheduler

    scheduler = RQScheduler(queues, connection, logging_level="WARNING")
    while not stop.wait(_SCHEDULER_SECONDS):
        scheduler.acquire_locks(auto_start=False)
        scheduler.enqueue_scheduled_jobs()


def _exit_with_parent() -> None:
    """Block until the parent's end of the pipe is gone, then leave at once.

    Nothing is lost: SQLite rolls an open transaction back, and the queue died with the parent.
    """
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
