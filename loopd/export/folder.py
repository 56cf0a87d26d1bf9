"""Owns the folder of an export: it appears at once, or not at all; must not know what is in it."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopd.errors import ConfigError
from loopd.storage.files import storage_error

MODEL, CARD = "model", "README.md"
"""Folder of the model, and what people read of it and of the data set."""

FACTS = "export.json"
"""Its presence says that a folder is an export, which ``--force`` may replace."""


def refuse_taken(folder: Path, *, force: bool) -> None:
    """Check that an export may be written there.

    Raises:
        ConfigError: something else is there, or an export that is not to be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", "choose another --out")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / FACTS).is_file():
        raise ConfigError(f"{folder} is not empty and no export made it", "choose another --out")
    if not force:
        raise ConfigError(f"{folder} holds an export", "replace it with --force, or choose --out")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the wished one, which takes its place when all went well.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        yield partial
        _open_up(partial)
        _replace(folder, partial)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _open_up(folder: Path) -> None:
    """Let others read what is in it as far as files usually may be read here.

    Some libraries write files for their owner alone, and so does a folder with a passing name.
    """
    probe = folder / ".probe"
    probe.touch(0o666)
    readable = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    entered = readable | (readable & 0o444) >> 2
    for path in (folder, *folder.rglob("*")):
        path.chmod(entered if path.is_dir() else readable)


def _replace(folder: Path, partial: Path) -> None:
    if not folder.exists():
        partial.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    folder.rename(old / "old")
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
