"""Owns a backtest's folder: what the experiment is, and that no other one is mixed into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.backtest.arms import Arm, seedless
from loopd.backtest.trial import Trial
from loopd.config import ComputeSection, Config
from loopd.errors import ConfigError, JournalError, NewerError, RunError, StorageError
from loopd.loop.data_sets import DataSets
from loopd.storage.files import write_atomic
from loopd.storage.lock import run_lock
from loopd.storage.run_folder import LOCK_NAME

MANIFEST = "experiment.json"
FORMAT = 1

MEANINGS: Mapping[str, str] = {
    "format": "its format",
    "config": "the configuration",
    "pool": "the pool",
    "test": "the test set",
    "noise": "the noise",
    "shared_first_batch": "--own-first-batch",
}
"""What must be the same when a backtest goes on, and how messages call it."""

NOT_COMPARED = ("threads", "arms")
"""What else a manifest holds: arms may be added."""

ELSEWHERE = "choose another --out, or begin it again with --force"


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is compared.

    Attributes:
        folder: where everything is kept.
        config: the configuration that all arms come from.
        arms: what is compared.
        seeds: one run of each arm for each.
        noise: share of wrong answers.
        shared_first_batch: whether all arms of a seed begin with the same batch.
        threads: CPU threads of each run; kept when the backtest goes on, as the last bits of sums
            may depend on them.
        fingerprints: of the pool and of the test set.
    """

    folder: Path
    config: Config
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    noise: float
    shared_first_batch: bool
    threads: int
    fingerprints: tuple[str, str]

    @property
    def manifest(self) -> dict[str, Any]:
        """What identifies the experiment."""
        return {
            "format": FORMAT,
            "config": seedless(self.config).digest(),
            "pool": self.fingerprints[0],
            "test": self.fingerprints[1],
            "noise": self.noise,
            "shared_first_batch": self.shared_first_batch,
            "threads": self.threads,
            "arms": {arm.folder: {"name": arm.name, "digest": arm.digest} for arm in self.arms},
        }

    def trials(self) -> list[Trial]:
        """All runs, seed by seed, so that every arm has been tried early."""
        return [
            self._trial(arm.name, arm.config, seed, self.folder / "runs" / arm.folder)
            for seed in self.seeds
            for arm in self.arms
        ]

    def first_batches(self) -> list[Trial]:
        """One stand-in for each seed, for choosing the first batch with the base configuration."""
        folder = self.folder / "first" / "work"
        return [self._trial("first batch", self.config, seed, folder) for seed in self.seeds]

    def _trial(self, name: str, config: Config, seed: int, folder: Path) -> Trial:
        first = self.folder / "first" / f"seed-{seed}.json"
        return Trial(
            arm=name,
            seed=seed,
            config=placed(config, folder / f"seed-{seed}", seed, self.threads),
            noise=self.noise,
            cache=self.folder / "cache",
            first=first if self.shared_first_batch else None,
            pool=self.fingerprints[0],
            test=self.fingerprints[1],
        )


def placed(config: Config, folder: Path, seed: int, threads: int) -> Config:
    """The configuration of one run."""
    run = config.run.model_copy(update={"dir": folder, "seed": seed, "keep_models": 1})
    share = min(config.classifier.threads or threads, threads)
    classifier = config.classifier.model_copy(update={"threads": share})
    # A run is a piece of work itself: it does not cut its own into further ones.
    here = ComputeSection()
    # It asks no Argilla, and may be done on another machine: what opens Argilla stays here.
    nowhere = config.argilla.model_copy(update={"headers": {}})
    changes = {"run": run, "classifier": classifier, "compute": here, "argilla": nowhere}
    return config.model_copy(update=changes)


def fingerprints(data: DataSets) -> tuple[str, str]:
    """Of the pool and of the test set."""
    return data.pool.fingerprint, data.test.fingerprint if data.test is not None else ""


@contextmanager
def opened(folder: Path, *, force: bool) -> Iterator[dict[str, Any] | None]:
    """The folder, locked; gives the manifest of the experiment in it, ``None`` in a new one.

    Args:
        folder: made when absent.
        force: clear what an earlier backtest left.

    Raises:
        ConfigError: the folder holds something that no backtest made.
        NewerError: a newer loopd made it.
        LockedError: another backtest works in it.
        StorageError: it cannot be cleared.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", "choose another --out")
    foreign = folder.is_dir() and not (folder / MANIFEST).is_file()
    if foreign and any(entry.name != LOCK_NAME for entry in folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no backtest made it", "choose another --out")
    if not force:
        read_manifest(folder)  # before anything is touched
    with run_lock(folder):
        if force:
            _clear(folder)
        yield read_manifest(folder)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest in a folder, ``None`` where there is none.

    Raises:
        JournalError: it cannot be read; NewerError where a newer version wrote it.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise JournalError(f"cannot read {folder / MANIFEST}: {error}", ELSEWHERE) from None
    _refuse_newer(manifest, folder / MANIFEST)
    return manifest


def _refuse_newer(manifest: object, path: Path) -> None:
    if not isinstance(manifest, dict):
        raise JournalError(f"cannot read {path}: no JSON object", ELSEWHERE)
    number, further = manifest.get("format"), sorted(manifest.keys() - {*MEANINGS, *NOT_COMPARED})
    if (isinstance(number, int) and number > FORMAT) or further:
        raise NewerError(f"a newer loopd wrote {path}")


def settle(experiment: Experiment, before: dict[str, Any] | None) -> None:
    """Write the manifest, unless the folder holds another experiment.

    Arms and seeds may be added to an experiment; what an earlier arm is may not change.

    Raises:
        RunError: it is another one.
    """
    now = experiment.manifest
    arms = {} if before is None else before.get("arms", {})
    if before is not None:
        changed = [meaning for key, meaning in MEANINGS.items() if before.get(key) != now[key]]
        changed += [
            f"arm {arm['name']}"
            for name, arm in now["arms"].items()
            if name in arms and arms[name] != arm
        ]
        if changed:
            raise RunError(
                f"{experiment.folder} holds another experiment: {', '.join(changed)} changed",
                ELSEWHERE,
            )
    text = json.dumps({**now, "arms": {**arms, **now["arms"]}}, indent=2, ensure_ascii=False)
    write_atomic(experiment.folder / MANIFEST, text + "\n")


def _clear(folder: Path) -> None:
    try:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (LOCK_NAME, MANIFEST):
                entry.unlink()
        (folder / MANIFEST).unlink(missing_ok=True)  # last: until then the folder is ours
    except OSError as error:
        raise StorageError(f"cannot clear {folder}: {error}", "remove it by hand") from error
