"""Owns the file in a run's folder that holds people's names; must not know who they are.

Argilla forgets the name of an account with the account. What is in the file may be lost: then ids
are shown instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from loopd.errors import NewerError, StorageError
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.run_folder import PEOPLE_NAME


class SavedNames:
    """Names by Argilla's id of everybody whom a run has heard of.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PEOPLE_NAME

    def read(self) -> dict[str, str]:
        """Those that were kept; none where the file is not there, or cannot be understood.

        Raises:
            StorageError: the file cannot be read.
            NewerError: it holds more than names: a newer version wrote it.
        """
        try:
            names = json.loads(self._path.read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        except OSError as error:
            raise _unreadable(self._path, error) from error
        if not isinstance(names, dict):
            return {}
        if any(isinstance(name, (dict, list)) for name in names.values()):
            raise NewerError(f"a newer loopd wrote {self._path}")
        return {id_: name for id_, name in names.items() if isinstance(name, str)}

    def keep(self, names: Mapping[str, str]) -> None:
        """Write all names.

        Raises:
            StorageError: the file cannot be written.
        """
        write_atomic(self._path, json.dumps(names, ensure_ascii=False, indent=1) + "\n")


class UnsavedNames:
    """Names that end with the process."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Those that were kept."""
        return dict(self._names)

    def keep(self, names: Mapping[str, str]) -> None:
        """Keep all names."""
        self._names = dict(names)


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror}", storage_error(path, error).hint)
