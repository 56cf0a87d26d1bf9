"""Owns the demo's folder: what lies in it, and that no other folder is ever cleared."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loopd.demo import sample_data
from loopd.errors import ConfigError, LockedError, StorageError
from loopd.storage.files import write_atomic
from loopd.storage.lock import holder, run_lock
from loopd.storage.run_folder import CSV_NAME, CURVE_NAME, LOCK_NAME, METRICS_NAME, PAGE_NAME

MARKER = ".loopd-demo"
"""A file of this name says that the demo made the folder and may clear it."""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the demo keeps what."""

    path: Path

    @property
    def server_home(self) -> Path:
        """The embedded Argilla's database and accounts."""
        return self.path / "argilla"

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.path / "config.yaml"

    @property
    def run(self) -> Path:
        """The run folder: journal, metrics log, models, learning curve."""
        return self.path / "run"

    @property
    def metrics(self) -> Path:
        """The metrics log."""
        return self.run / METRICS_NAME

    @property
    def curve(self) -> Path:
        """The picture of the learning curve."""
        return self.run / CURVE_NAME

    @property
    def page(self) -> Path:
        """Where the daemon writes the address of its live page."""
        return self.run / PAGE_NAME

    @property
    def daemon_log(self) -> Path:
        """What the daemon writes."""
        return self.path / "daemon.log"

    def sinks(self, names: Collection[str]) -> dict[str, Any]:
        """The section of the configuration that writes the rounds into this folder too."""
        places: dict[str, Any] = {
            "csv": True,
            "tensorboard": str(self.path / "tensorboard"),
            "mlflow": {"uri": f"sqlite:///{self.path / 'mlflow.db'}", "experiment": "loopd-demo"},
        }
        return {name: places[name] for name in names}

    def looking(self) -> dict[str, str]:
        """How to look at what each sink holds."""
        return {
            "csv": str(self.run / CSV_NAME),
            "tensorboard": f"tensorboard --logdir {self.path / 'tensorboard'}",
            "mlflow": f"mlflow ui --backend-store-uri sqlite:///{self.path / 'mlflow.db'}",
        }

    def write_data(self) -> None:
        """Copy the bundled sample data, so that the folder explains itself."""
        for source in (sample_data.POOL_FILE, sample_data.TEST_FILE):
            write_atomic(self.path / "data" / source.name, source.read_bytes())

    def write_config(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the daemon's configuration."""
        plain = {name: dict(values) for name, values in sections.items()}
        write_atomic(self.config, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


@contextmanager
def opened(path: Path, resume: bool) -> Iterator[DemoFolder]:
    """The demo's folder, locked; what an earlier demo left is cleared unless ``resume``.

    Raises:
        ConfigError: the folder holds something that no demo made.
        LockedError: another demo or its daemon still works in it.
        StorageError: it cannot be cleared.
    """
    folder = DemoFolder(path.absolute())
    _refuse_foreign(folder.path)
    write_atomic(folder.path / MARKER, "Made by `loopd demo`, which may clear this folder.\n")
    with run_lock(folder.path):
        if holder(folder.run) is not None:
            raise LockedError(
                f"the daemon of an earlier demo still works in {path}", "end it first"
            )
        if not resume:
            _clear(folder.path)
        folder.write_data()
        yield folder


def _refuse_foreign(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ConfigError(f"{path} is not a folder", "choose another with --dir")
    if path.is_dir() and not (path / MARKER).is_file() and any(path.iterdir()):
        raise ConfigError(f"{path} is not empty and no demo made it", "choose another with --dir")


def _clear(path: Path) -> None:
    try:
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (MARKER, LOCK_NAME):
                entry.unlink()
    except OSError as error:
        raise StorageError(f"cannot clear {path}: {error}", "remove it by hand") from error
