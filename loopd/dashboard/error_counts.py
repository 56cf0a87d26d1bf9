"""Owns how often each kind of error happened in a run: a small file that outlives the process.

Errors are in no journal, because they change nothing. Must not decide what is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from loopd.errors import LoopdError, StorageError, UnexpectedError
from loopd.storage.files import write_atomic
from loopd.storage.run_folder import ERRORS_NAME

LARGEST = 65_536
"""Bytes of a file that is believed."""


class ErrorCounts:
    """Counts by kind; a file that cannot be read or written is done without.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ERRORS_NAME
        self._counts = _read(self._path)

    @property
    def counts(self) -> Mapping[str, int]:
        """Errors by kind, a copy."""
        return dict(self._counts)

    def add(self, error: Exception) -> None:
        """Count one error and write the file."""
        kind = error.name if isinstance(error, LoopdError) else UnexpectedError.name
        self._counts = {**self._counts, kind: self._counts.get(kind, 0) + 1}
        # A full disk is itself an error to count: the file is written again with the next one.
        with suppress(StorageError):
            write_atomic(self._path, json.dumps(self._counts, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, int]:
    """What the file says; nothing where it is absent or damaged, as after a reset."""
    try:
        with path.open("rb") as file:
            counts = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(counts, dict):
        return {}
    return {
        kind: count
        for kind, count in counts.items()
        if isinstance(count, int) and not isinstance(count, bool) and count > 0
    }
