"""Owns the files by which a run knows its dataset again; must not know what they are used for."""

from __future__ import annotations

import socket
from pathlib import Path

from loopd.errors import StorageError
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.run_folder import GUIDELINES_NAME, RUN_ID_NAME


class SavedIdentity:
    """The identity of the run in a folder, the same for each of its processes.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / RUN_ID_NAME
        self._guidelines = folder / GUIDELINES_NAME

    @property
    def name(self) -> str:
        """The folder and the machine."""
        return f"{self._path.parent.name} on {socket.gethostname()}"

    def read(self) -> str | None:
        """The id; ``None`` where the folder has none yet.

        Raises:
            StorageError: the file cannot be read.
        """
        return (_text_of(self._path) or "").strip() or None

    def keep(self, run_id: str) -> None:
        """Write the id.

        Raises:
            StorageError: the file cannot be written.
        """
        write_atomic(self._path, run_id + "\n")

    def guidelines(self) -> str | None:
        """The guidelines that the run wrote last; ``None`` where it wrote none yet.

        Raises:
            StorageError: the file cannot be read.
        """
        return _text_of(self._guidelines)

    def keep_guidelines(self, text: str) -> None:
        """Write them down.

        Raises:
            StorageError: the file cannot be written.
        """
        write_atomic(self._guidelines, text)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror}", storage_error(path, error).hint)
