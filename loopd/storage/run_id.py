"""Owns the file in a run's folder that holds the run's id; must not know what it is used for."""

from __future__ import annotations

import socket
from pathlib import Path

from loopd.errors import StorageError
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.run_folder import RUN_ID_NAME


class SavedIdentity:
    """The identity of the run in a folder, the same for each of its processes.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / RUN_ID_NAME

    @property
    def name(self) -> str:
        """The folder and the machine."""
        return f"{self._path.parent.name} on {socket.gethostname()}"

    def read(self) -> str | None:
        """The id; ``None`` where the folder has none yet.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def keep(self, run_id: str) -> None:
        """Write the id.

        Raises:
            StorageError: the file cannot be written.
        """
        write_atomic(self._path, run_id + "\n")


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror}", storage_error(path, error).hint)
