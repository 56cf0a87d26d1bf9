"""The job worker's process: runs Argilla's RQ jobs until its parent goes; must not serve HTTP.

Started by `loopd.embedded_argilla.jobs` with the environment of the server, never by hand.
"""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from loopd.embedded_argilla.environment import forget_redis_password

_SCHEDULER_SECONDS = 1.0
_LEASE_KEY = "loopd:scheduler"
_LEASE_SECONDS = 10


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

    import loopd.embedded_argilla.search  # noqa: F401  (registers the engine that jobs ask for by name)

    forget_redis_password()
    _connect_anew_for_each_job()
    queues = [HIGH_QUEUE, DEFAULT_QUEUE]
    stop = threading.Event()
    scheduler = threading.Thread(
        target=_schedule, args=(queues, REDIS_CONNECTION, stop), name="scheduler", daemon=True
    )
    scheduler.start()
    # A worker that forks for every job, RQ's default, is not safe on macOS.
    SimpleWorker(queues, connection=REDIS_CONNECTION).work(logging_level="WARNING")
    stop.set()


def _connect_anew_for_each_job() -> None:
    """Keep no connection to PostgreSQL: each job has an event loop of its own, which it belongs to.

    SQLite's connections belong to no loop.
    """
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.settings import settings
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    if settings.database_is_postgresql:
        engine = create_async_engine(settings.database_url, poolclass=NullPool)
        AsyncSessionLocal.configure(bind=engine)


def _schedule(queues: list[Any], connection: Any, stop: threading.Event) -> None:
    """Move delayed retries (of webhooks) to their queue when due, RQ's scheduler without a fork."""
    from redis.exceptions import RedisError
    from rq.scheduler import RQScheduler

    scheduler = RQScheduler(queues, connection, logging_level="WARNING")
    scheduler.prepare_registries([queue.name for queue in queues])
    me = uuid.uuid4().hex
    while not stop.wait(_SCHEDULER_SECONDS):
        # A Redis that is down must not end this thread: without it retries would wait for ever.
        with suppress(RedisError):
            if is_my_turn(connection, me):
                scheduler.enqueue_scheduled_jobs()


def is_my_turn(connection: Any, me: str) -> bool:
    """Tell whether of all workers on this Redis this one moves what is due.

    Two that did would run a job twice. RQ's own lock is given up after a minute while its holder
    goes on; this one is renewed, and another worker takes over soon after its holder has died.
    """
    if connection.set(_LEASE_KEY, me, nx=True, ex=_LEASE_SECONDS):
        return True
    if connection.get(_LEASE_KEY) != me.encode():
        return False
    return bool(connection.expire(_LEASE_KEY, _LEASE_SECONDS))


def _exit_with_parent() -> None:
    """Block until the parent's end of the pipe is gone, then leave at once.

    No half change stays: the database rolls an open transaction back.
    """
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
