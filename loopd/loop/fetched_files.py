"""Owns the files of a pool at a URL while they lie in the run's folder to be read.

They come in a thread of their own, so that nobody waits for a slow store, and go once what is new
in them has joined the pool. Must not read them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from loopd import log
from loopd.config import Config, PoolSection
from loopd.data.remote_files import brought_here, fetch_changed, shown_url
from loopd.errors import DataError
from loopd.storage.lock import holder
from loopd.storage.run_folder import FETCHED_FOLDER
from loopd.storage.source_log import SeenFile


def fetched_folder(config: Config) -> Path:
    """Where the files lie while they are read."""
    return config.run.dir / FETCHED_FOLDER


def local_path(config: Config) -> Path | None:
    """Where files of the pool are looked for; ``None`` where it lies in none."""
    return config.pool.path if config.pool.url is None else fetched_folder(config)


@contextmanager
def reachable(config: Config) -> Iterator[PoolSection]:
    """The section of the pool with files on this machine.

    Those at a URL are brought into the run's folder by the process that holds its lock, and by any
    other into a folder that goes away again.

    Raises:
        DataError: there is none, or they cannot be reached.
    """
    is_ours = holder(config.run.dir) == os.getpid()
    folder = fetched_folder(config) if is_ours else None
    with brought_here(config.pool, folder) as section:
        yield section


def known(seen: Mapping[str, SeenFile]) -> Mapping[str, int]:
    """When files had changed that need not come again, by their names.

    Args:
        seen: how files were when they were read, by path.
    """
    return {Path(path).name: file.changed for path, file in seen.items() if file.whole}


def drop(config: Config, paths: Iterable[Path | str]) -> None:
    """Remove files that were brought here, and no others."""
    folder = fetched_folder(config)
    for path in map(Path, paths):
        if path.parent == folder:
            with suppress(OSError):
                path.unlink(missing_ok=True)


class Fetcher:
    """Brings changed files here, again and again.

    Args:
        config: of the run; without a URL everything is here already.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._thread: threading.Thread | None = None
        self._problem = self._said = ""

    def is_done(self, seen: Mapping[str, SeenFile]) -> bool:
        """Whether all that has changed is here by now; begins to bring it.

        Args:
            seen: files that need not come unless they have changed since, by path.
        """
        url = self._config.pool.url
        if url is None:
            return True
        if self._thread is None:
            work = partial(self._fetch, url, dict(seen))
            self._thread = threading.Thread(target=work, name="fetch", daemon=True)
            self._thread.start()
        if self._thread.is_alive():
            return False
        self._say()
        return True

    def again(self) -> None:
        """What has come is read: the next call begins anew."""
        self._thread = None

    def _fetch(self, url: str, seen: Mapping[str, SeenFile]) -> None:
        self._problem = ""
        try:
            fetch_changed(url, fetched_folder(self._config), known(seen))
        except DataError as error:
            self._problem = error.message

    def _say(self) -> None:
        """A problem once, and its end."""
        if self._problem == self._said:
            return
        source, self._said = shown_url(self._config.pool.url or ""), self._problem
        if self._problem:
            hint = "the run goes on with the texts that it has, and tries again"
            log.get("data").warning("source_away", problem=self._problem, hint=hint)
        else:
            log.get("data").info("source_back", source=source)
