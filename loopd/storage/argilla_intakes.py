"""Owns the files in a run's folder that hold the texts of a pool in Argilla.

Each intake is a file that is written once and never changed: what people delete or edit in Argilla
moves no text from its position. Must not know where the texts came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from loopd.errors import NewerError, StorageError
from loopd.records import PoolId, Record
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.replacing import keep_aside, stamp
from loopd.storage.run_folder import POOL_FOLDER

VERSION = 1
"""Of their format: a line that says how many there are, and a line for each text."""


class Intakes:
    """The texts that a run has taken in, by intake.

    Args:
        folder: ``run.dir``.
        name: of the folder in it; another one where it was moved aside.
    """

    def __init__(self, folder: Path, name: str = POOL_FOLDER) -> None:
        self._folder = folder / name

    def read(self) -> tuple[tuple[Record, ...], ...]:
        """The records of all intakes, in order; none before the first.

        Raises:
            StorageError: a file is damaged, missing or cannot be read.
            NewerError: a newer version wrote one.
        """
        return tuple(_read(path) for path in self._paths())

    def refuse_newer(self) -> None:
        """Look at how the intakes begin.

        Raises:
            NewerError: a newer version wrote one.
        """
        for path in self._paths():
            with suppress(OSError, ValueError, RecursionError), path.open(encoding="utf-8") as file:
                _refuse_newer(path, json.loads(file.readline()), _HEAD)

    def begin(self, records: Sequence[Record], wall: float) -> Path | None:
        """Keep these as the only intake; others that are there are moved aside.

        A journal that was moved away for a while may still need them.

        Args:
            records: of the intake.
            wall: seconds since the epoch, for the name of what is moved aside.

        Returns:
            Where others are now.

        Raises:
            StorageError: they cannot be written.
        """
        if self._holds(records):
            return None
        aside = keep_aside(self._folder, stamp(wall))
        self.add(records)
        return aside

    def add(self, records: Sequence[Record]) -> None:
        """Keep these as the next intake: a crash leaves all of it or nothing.

        Raises:
            StorageError: they cannot be written.
        """
        _write(self._path(len(self._paths())), records)

    def rewrite(self, changed: Callable[[Record], Record]) -> None:
        """Write anew each intake of which a record is to be another; positions stay.

        Raises:
            StorageError: a file is damaged, or cannot be written.
        """
        for path in self._paths():
            records = _read(path)
            after = tuple(map(changed, records))
            if after != records:
                _write(path, after)

    def _holds(self, records: Sequence[Record]) -> bool:
        try:
            return self.read() == (tuple(records),)
        except StorageError:
            return False

    def _paths(self) -> list[Path]:
        count = 0
        while self._path(count).exists():
            count += 1
        return [self._path(number) for number in range(count)]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.jsonl"


_HEAD, _LINE = frozenset(("version", "records")), frozenset(("id", "text"))
"""Keys of the first line, and of all others."""


def _write(path: Path, records: Sequence[Record]) -> None:
    lines: list[dict[str, object]] = [{"version": VERSION, "records": len(records)}]
    lines += [{"id": record.id, "text": record.text} for record in records]
    write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _read(path: Path) -> tuple[Record, ...]:
    try:
        head, *lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        _refuse_newer(path, json.loads(head), _HEAD)
        if json.loads(head) != {"version": VERSION, "records": len(lines)}:
            raise ValueError
        return tuple(_record(path, json.loads(line)) for line in lines)
    except OSError as error:
        raise storage_error(path, error) from error
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StorageError(
            f"{path} is damaged: the run does not know its texts",
            "restore it from a backup, or move the journal away and use `loopd recover`",
        ) from None


def _record(path: Path, line: object) -> Record:
    if not isinstance(line, dict):
        raise ValueError
    if len(line) != len(_LINE):
        _refuse_newer(path, line, _LINE)
    if not all(isinstance(value, str) for value in line.values()):
        raise ValueError
    return Record(PoolId(line["id"]), line["text"])


def _refuse_newer(path: Path, line: object, keys: frozenset[str]) -> None:
    """Refuse a line that says that it is of another format, or that has further keys."""
    if not isinstance(line, dict):
        return
    version = line.get("version", VERSION)
    if line.keys() > keys or (isinstance(version, int) and version > VERSION):
        raise NewerError(f"a newer loopd wrote {path}")
