"""Owns the ids that ``loopd remove`` leaves for a daemon; must not know what becomes of them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from loopd.records import PoolId
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.run_folder import INBOX_FOLDER

PATTERN = "[0-9]*.remove.json"


class RemovalRequests:
    """The requests that wait in the inbox of a run.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / INBOX_FOLDER

    def leave(self, ids: Iterable[PoolId]) -> None:
        """Ask for these texts to be withdrawn: all of them or none.

        Raises:
            StorageError: it cannot be written.
        """
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.remove.json"
        write_atomic(self._folder / name, json.dumps(sorted(ids)) + "\n")

    def waiting(self) -> list[Path]:
        """The files of what waits, what has waited longest first."""
        return sorted(self._folder.glob(PATTERN))

    def readable(self) -> Mapping[Path, frozenset[PoolId]]:
        """What those ask for that can be read, by their files, in order."""
        found: dict[Path, frozenset[PoolId]] = {}
        for path in self.waiting():
            with suppress(OSError, ValueError, TypeError, RecursionError):
                found[path] = frozenset(map(PoolId, json.loads(path.read_bytes())))
        return found

    @staticmethod
    def take_out(paths: Iterable[Path]) -> None:
        """Remove what the journal has by now.

        Raises:
            StorageError: one cannot be removed.
        """
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(path, error) from error
