"""A configuration in which nothing is wrong, and a plant for each way in which it can be."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import loopd.loop.gates
import loopd.loop.start_or_resume
from loopd import cleanlab_adapter as multiannotator
from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.server_version import ServerVersion
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.events import BatchPlanned, BatchPublished, Event, RunStarted, RunStopped
from loopd.loop.data_sets import read_data
from loopd.records import Batch, BatchItem, PoolId, Record
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.run_folder import JOURNAL_NAME
from loopd.storage.run_id import SavedIdentity
from loopd.tasks.registry import build_task
from tests.daemon import write_csv
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS

NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there."""


@dataclass
class Site:
    """A folder with a configuration in which nothing is wrong yet."""

    folder: Path
    patch: pytest.MonkeyPatch
    stack: ExitStack
    live: LiveArgilla | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    @property
    def journal(self) -> Path:
        return self.run_dir / JOURNAL_NAME

    @property
    def config(self) -> Config:
        return parse_config(self.settings, self.folder)

    @property
    def argilla(self) -> LiveArgilla:
        assert self.live is not None
        return self.live

    def store(self, *, ours: bool = False, **changes: Any) -> ArgillaStore:
        """What another run would use, or this run itself."""
        config = parse_config({**self.settings, **changes}, self.folder)
        needed, folder = config.queue.min_submitted, self.run_dir if ours else self.folder
        plan = DatasetPlan(build_task(config.task), "", needed, SavedIdentity(folder))
        store = ArgillaStore(config.argilla, self.argilla.owner_key, plan)
        self.stack.callback(store.close)
        return store

    def begin(self, dataset_id: str = "another", *more: Event, **changes: Any) -> None:
        """A journal in which the run has begun."""
        config = self.config
        data = read_data(config)
        values = {
            "at": 1.0,
            "config_digest": config.digest(),
            "seed": config.run.seed,
            "labels": config.task.labels,
            "pool_fingerprint": data.pool.fingerprint,
            "test_fingerprint": data.test.fingerprint if data.test else "",
            "dataset_id": dataset_id,
            "versions": {},
        }
        with Journal(self.journal) as journal:
            for event in (RunStarted(**{**values, **changes}), *more):
                journal.append(event)


Plant = Callable[[Site], None]
PLANTS: dict[str, dict[str, Plant]] = {}
LIVE: dict[str, dict[str, Plant]] = {}
"""Those that need an Argilla."""


def plant(gate: str, name: str, *, live: bool = False) -> Callable[[Plant], Plant]:
    def add(planting: Plant) -> Plant:
        (LIVE if live else PLANTS).setdefault(gate, {})[name] = planting
        return planting

    return add


def setting(gate: str, name: str, *, live: bool = False, **sections: dict[str, Any]) -> None:
    """A plant that only changes the configuration."""

    @plant(gate, name, live=live)
    def _change(site: Site) -> None:
        for section, values in sections.items():
            site.settings[section] = {**site.settings.get(section, {}), **values}


def lacking(site: Site, *packages: str) -> None:
    """These packages are not there."""
    site.patch.setattr(
        loopd.loop.start_or_resume, "find_spec", lambda name: None if name in packages else object()
    )


# -- plants: this machine --------------------------------------------------------------------------


@plant("sinks", "a package")
def _(site: Site) -> None:
    site.settings["sinks"] = {"tensorboard": "boards"}
    lacking(site, "tensorboard")


@plant("folder", "a file in its place")
def _(site: Site) -> None:
    site.run_dir.write_text("no folder")


@plant("folder", "a file above it")
def _(site: Site) -> None:
    site.run_dir.write_text("no folder")
    site.settings["run"]["dir"] = "run/deeper/still"


@plant("folder", "a link that leads nowhere")
def _(site: Site) -> None:
    site.run_dir.symlink_to(site.folder / "absent")


setting("folder", "a name that is too long", run={"dir": "x" * 300})
setting("folder", "a place where nobody may make anything", run={"dir": "/proc/loopd"})


@plant("folder", "another daemon")
def _(site: Site) -> None:
    site.stack.enter_context(run_lock(site.run_dir))


@plant("folder", "a link for a lock")
def _(site: Site) -> None:
    site.run_dir.mkdir()
    (site.run_dir / "daemon.lock").symlink_to(site.folder / "elsewhere")


@plant("folder", "a folder for a lock")
def _(site: Site) -> None:
    (site.run_dir / "daemon.lock").mkdir(parents=True)


@plant("folder", "a folder for the metrics log")
def _(site: Site) -> None:
    (site.run_dir / "metrics.jsonl").mkdir(parents=True)


@plant("folder", "a folder for the run's id")
def _(site: Site) -> None:
    (site.run_dir / "run.id").mkdir(parents=True)


@plant("folder", "a folder for people's names")
def _(site: Site) -> None:
    (site.run_dir / "people.json").mkdir(parents=True)


@plant("folder", "a file for the cache")
def _(site: Site) -> None:
    site.run_dir.mkdir()
    (site.run_dir / "cache").write_text("no folder")


@plant("folder", "a file for the models")
def _(site: Site) -> None:
    (site.run_dir / "cache").mkdir(parents=True)
    (site.run_dir / "cache" / "models").write_text("no folder")


@plant("disk", "full")
def _(site: Site) -> None:
    site.patch.setattr(loopd.loop.gates, "free_bytes", lambda _: 1_000_000)


@plant("run", "damaged")
def _(site: Site) -> None:
    site.begin("x", RunStopped(2.0, "max_rounds"))
    with sqlite3.connect(site.journal) as db:
        db.execute("UPDATE events SET payload = '{}' WHERE seq = 2")
    db.close()


@plant("run", "of a newer loopd")
def _(site: Site) -> None:
    site.begin()
    with sqlite3.connect(site.journal) as db:
        db.execute("PRAGMA user_version=7")
    db.close()


@plant("run", "of another program")
def _(site: Site) -> None:
    site.run_dir.mkdir()
    with sqlite3.connect(site.journal) as db:
        db.execute("CREATE TABLE cars (name TEXT)")
    db.close()


@plant("run", "no journal at all")
def _(site: Site) -> None:
    site.run_dir.mkdir()
    site.journal.write_bytes(b"a text that is long enough to be looked at" * 50)


@plant("run", "a folder")
def _(site: Site) -> None:
    site.journal.mkdir(parents=True)


@plant("run", "a link")
def _(site: Site) -> None:
    site.run_dir.mkdir()
    site.journal.symlink_to(site.folder / "elsewhere")


@plant("run", "events that do not follow")
def _(site: Site) -> None:
    with Journal(site.journal) as journal:
        journal.append(BatchPublished(1.0, "b0000", 0.1))


@plant("data", "an unknown label in the test set")
def _(site: Site) -> None:
    path = site.folder / "test.csv"
    path.write_text(path.read_text().replace(",tool", ",spoon"))


setting("data", "no file", pool={"path": "absent.csv"})
setting("data", "no column", pool={"text": "txt"})
setting("key", "unset", argilla={"api_key_env": "LOOPD_TEST_UNSET"})
setting("key", "no file", argilla={"api_key_env": "LOOPD_TEST_UNSET", "api_key_file": "absent"})
setting(
    "key",
    "a program that fails",
    argilla={"api_key_env": "LOOPD_TEST_UNSET", "api_key_command": ["false"]},
)


@plant("key", "no key in the file")
def _(site: Site) -> None:
    (site.folder / "key").write_text("PASSWORD=secret\n")
    site.settings["argilla"] |= {"api_key_env": "LOOPD_TEST_UNSET", "api_key_file": "key"}


@plant("webhooks", "the port is taken")
def _(site: Site) -> None:
    taken = site.stack.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    site.settings["argilla"] |= {"webhooks": True, "webhook_port": taken.getsockname()[1]}


@plant("same run", "the labels")
def _(site: Site) -> None:
    site.begin(labels=("other", "names"))


@plant("same run", "the seed")
def _(site: Site) -> None:
    site.begin()
    site.settings["run"]["seed"] = 77


@plant("same run", "the pool")
def _(site: Site) -> None:
    site.begin()
    write_csv(site.folder / "pool.csv", 59, "r")


@plant("same run", "the test set")
def _(site: Site) -> None:
    site.begin()
    del site.settings["test"]


@plant("packages", "of a consensus")
def _(site: Site) -> None:
    def require() -> None:
        raise ModelError("crowdlab needs cleanlab", "install it")

    site.patch.setattr(multiannotator, "require", require)
    site.settings["consensus"] = {"strategy": "crowdlab"}


@plant("packages", "of a kind of task")
def _(site: Site) -> None:
    site.settings["task"]["type"] = "spans"
    for name in ("pool", "test"):
        path = site.folder / f"{name}.jsonl"
        path.write_text(f'{{"id": "{name}", "text": "a fruit", "label": [[2, 7, "fruit"]]}}\n')
        site.settings[name]["path"] = path.name
    lacking(site, "seqeval")


setting("model", "a misspelt classifier", classifier={"name": "tfdf"})
setting("model", "a misspelt strategy", strategy={"name": "braking_ties"})
setting("model", "a cold start of nowhere", strategy={"cold_start": "nowhere.module:Class"})
setting("stopping", "no option", stopping={"criteria": [{"name": "max_iterations"}]})
setting(
    "stopping",
    "two labels only",
    stopping={"criteria": [{"name": "delta_f_score"}]},
    task={"labels": [*LABELS, "animal"]},
)
setting("argilla", "away", argilla={"give_up_after": 0.1, "max_backoff": 0.1})


# -- plants: Argilla -------------------------------------------------------------------------------


@plant("argilla", "a wrong key", live=True)
def _(site: Site) -> None:
    site.patch.setenv("ARGILLA_API_KEY", "wrong-key")


@plant("argilla", "an annotator's key", live=True)
def _(site: Site) -> None:
    site.patch.setenv("ARGILLA_API_KEY", site.argilla.keys["ann"])


setting("dataset", "no workspace", live=True, argilla={"workspace": "nowhere"})


@plant("server", "one that lists from its index", live=True)
def _(site: Site) -> None:
    old = ServerVersion("Argilla", "2.2.0")
    site.patch.setattr(ArgillaStore, "server", lambda _: old)


@plant("dataset", "batches of another run", live=True)
def _(site: Site) -> None:
    store = site.store()
    store.open(Pool(()), fresh=True)
    batch = Batch("b0000", 0, "random_sampling", None, (BatchItem(PoolId("other")),))
    store.publish(batch, {PoolId("other"): "a text of others"})


@plant("dataset", "the mark of another run", live=True)
def _(site: Site) -> None:
    site.store().open(Pool(()), fresh=True)


@plant("dataset", "another text under our id", live=True)
def _(site: Site) -> None:
    dataset_id = site.store().open(Pool(()), fresh=True)
    record = {"external_id": "r000", "fields": {"text": "not ours"}}
    headers = {"X-Argilla-Api-Key": site.argilla.owner_key}
    url = f"{site.argilla.url}/api/v1/datasets/{dataset_id}/records/bulk"
    httpx.put(url, headers=headers, json={"items": [record]}).raise_for_status()


@plant("dataset", "other labels", live=True)
def _(site: Site) -> None:
    site.store(task={"labels": ["yes", "no"]}).open(Pool(()), fresh=True)


@plant("dataset", "too few answers for a record", live=True)
def _(site: Site) -> None:
    site.store().open(Pool(()), fresh=True)
    site.settings["queue"]["min_submitted"] = 2


@plant("dataset", "gone", live=True)
def _(site: Site) -> None:
    batch = Batch("b0000", 0, "random_sampling", None, (BatchItem(PoolId("r000")),))
    site.begin("gone", BatchPlanned(1.0, batch, 0.1), BatchPublished(2.0, "b0000", 0.1))


@plant("same dataset", "another one", live=True)
def _(site: Site) -> None:
    batch = Batch("b0000", 0, "random_sampling", None, (BatchItem(PoolId("r000")),))
    site.store(ours=True).open(Pool((Record(PoolId("r000"), "x"),)), fresh=True)
    site.begin("another", BatchPlanned(1.0, batch, 0.1), BatchPublished(2.0, "b0000", 0.1))


@plant("same dataset", "another one, before anything was published", live=True)
def _(site: Site) -> None:
    site.store(ours=True).open(Pool(()), fresh=True)
    site.begin("another")


@plant("same dataset", "none, though the run began with one", live=True)
def _(site: Site) -> None:
    site.begin("another")
