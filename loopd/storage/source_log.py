"""Owns what the run remembers of the files that its texts were read from; must not read those.

Losing it is no harm: then they are read once more, and nothing in them is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loopd.storage.files import write_atomic
from loopd.storage.run_folder import POOL_FOLDER, SOURCES_NAME


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was when it was read.

    Attributes:
        size: in bytes.
        changed: when it had changed last, in nanoseconds.
        whole: whether all of it was read, or its last line was left for later.
        duplicates, refused: rows of it that did not join the pool.
    """

    size: int
    changed: int
    whole: bool = True
    duplicates: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read.

    Attributes:
        columns: of the texts and ids, as the configuration named them; empty where not known.
        files: by path.
    """

    columns: tuple[str, ...] = ()
    files: Mapping[str, SeenFile] = field(default_factory=dict)


class SourceLog:
    """The file with it.

    Args:
        folder: ``run.dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / POOL_FOLDER / SOURCES_NAME

    def read(self) -> Sources:
        """What was read; nothing where that is not known."""
        try:
            content = json.loads(self._path.read_bytes())
            files = {str(path): SeenFile(**seen) for path, seen in content["files"].items()}
            return Sources(tuple(map(str, content["columns"])), files)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Sources()

    def write(self, columns: Sequence[str], files: Mapping[str, SeenFile]) -> None:
        """Remember it.

        Raises:
            StorageError: it cannot be written.
        """
        seen = {path: asdict(files[path]) for path in sorted(files)}
        write_atomic(self._path, json.dumps({"columns": list(columns), "files": seen}) + "\n")
