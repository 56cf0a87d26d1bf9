"""Owns the places for files of a pool at a URL: where they come to, and lie until they are read.

What comes takes its place only if nobody has called it off meanwhile: its run may be over by then,
or texts of it may have been withdrawn. Must not read the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from loopd.config import Config, PoolSection
from loopd.data.remote_files import brought_here
from loopd.storage.files import make_private
from loopd.storage.lock import is_held_here
from loopd.storage.run_folder import FETCHED_FOLDER, FETCHING_FOLDER
from loopd.storage.source_log import SeenFile

WANTED = "wanted"
"""File in the place of a fetch; without it the fetch is called off."""

UNFINISHED = ".*.part"
"""Files that have not come to their end."""


def fetched_folder(config: Config) -> Path:
    """Where the files lie while they are read."""
    return config.run.dir / FETCHED_FOLDER


def fetching_folder(config: Config) -> Path:
    """Where they come to, in a place for each time."""
    return config.run.dir / FETCHING_FOLDER


def local_path(config: Config) -> Path | None:
    """Where files of the pool are looked for; ``None`` where it lies in none."""
    return config.pool.path if config.pool.url is None else fetched_folder(config)


@contextmanager
def reachable(config: Config, *, keep: bool) -> Iterator[PoolSection]:
    """The section of the pool with files on this machine.

    Those at a URL are brought into a folder that goes away again, or into that of the run.

    Args:
        config: of the run.
        keep: whether those may stay that the run goes on with; only for who holds its lock.

    Raises:
        DataError: there is none, or they cannot be reached.
    """
    folder = fetched_folder(config) if keep and is_held_here(config.run.dir) else None
    with brought_here(config.pool, folder) as section:
        yield section


def known(seen: Mapping[str, SeenFile]) -> Mapping[str, int]:
    """When files had changed that need not come again, by their names.

    Args:
        seen: how files were when they were read, by path.
    """
    return {Path(path).name: file.changed for path, file in seen.items() if file.whole}


def waiting(config: Config) -> Mapping[str, int]:
    """The same of files that have come, and are not read yet."""
    return {path.name: path.stat().st_mtime_ns for path in _children(fetched_folder(config))}


def drop(config: Config, paths: Iterable[Path | str]) -> None:
    """Remove files that were brought here, and no others."""
    folder = fetched_folder(config)
    if config.pool.url is None:
        return
    for path in map(Path, paths):
        if path.parent == folder:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def drop_all(config: Config) -> None:
    """Remove all of them, and what is on its way, if this thread holds the run's lock."""
    if is_held_here(config.run.dir):
        call_off(config)
        drop(config, _children(fetched_folder(config)))


# -- what is on its way ----------------------------------------------------------------------------


def place_to_fetch(config: Config) -> Path:
    """A folder for what comes at one time, until that is called off; whatever came before is.

    Raises:
        OSError: it cannot be made.
    """
    call_off(config)
    make_private(fetching_folder(config))
    place = Path(mkdtemp(dir=fetching_folder(config)))
    (place / WANTED).touch()
    return place


def is_wanted(place: Path) -> bool:
    """Whether what comes there was not called off; whoever writes there may make it anew."""
    return (place / WANTED).exists()


def arrive(config: Config, place: Path, folder: Path) -> None:
    """Let what has come take its place, to be read, unless it was called off.

    Args:
        config: of the run.
        place: of the fetch.
        folder: in it, with the files.

    Raises:
        OSError: it cannot.
    """
    make_private(fetched_folder(config))
    unfinished = set(folder.glob(UNFINISHED))
    for path in _children(folder):
        if path not in unfinished and is_wanted(place):
            shutil.move(path, fetched_folder(config) / path.name)


def call_off(config: Config) -> None:
    """Whatever is on its way, of this process or of one that was killed, does not arrive.

    What a thread of this process writes on does not stay: it removes it at its end.
    """
    for place in _children(fetching_folder(config)):
        with suppress(OSError):
            (place / WANTED).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):
        fetching_folder(config).rmdir()


def _children(folder: Path) -> Iterable[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return ()
