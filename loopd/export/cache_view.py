"""Owns the folder in which an export works: it begins as the run's cache, and is its own to change.

Must not write, rename or delete anything in the run directory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopd.config import ComputeSection, Config
from loopd.storage.files import storage_error
from loopd.storage.run_folder import CACHE_FOLDER, POOL_FOLDER


@contextmanager
def apart(config: Config) -> Iterator[Config]:
    """The configuration with a run directory that is gone afterwards.

    Its cache and its texts begin as those of the run: folders of links to the files. Whoever writes
    there puts a file of its own in a link's place, and whoever deletes there deletes a link; what
    the daemon deletes meanwhile is missing, and is computed again.

    Raises:
        StorageError: there is no place for temporary files.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="loopd-export-")
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from error
    with folder as name:
        try:
            for part in (CACHE_FOLDER, POOL_FOLDER):
                _link(config.run.dir / part, Path(name) / part)
        except OSError as error:
            raise storage_error(Path(name), error) from error
        section = config.run.model_copy(update={"dir": Path(name)})
        # Other machines of a cluster do not have this folder.
        yield config.model_copy(update={"run": section, "compute": ComputeSection()})


def _link(source: Path, target: Path) -> None:
    for folder, _, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True)
        for file in files:
            (there / file).symlink_to((Path(folder) / file).absolute())
