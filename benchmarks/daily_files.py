"""What a pool that grows costs: a set that comes in 14 daily files, against all of it at once.

    python benchmarks/daily_files.py SETS/trec [--seeds 8] [--classifier frozen-head]
    python benchmarks/daily_files.py SETS/trec --live

SETS/trec is a folder with ``pool.jsonl``, ``test.jsonl`` and ``config.yaml`` as ``make_sets.py``
writes them. The texts are dealt out at random as 14 files of a folder that the run follows. In the
arm ``daily`` the first file is there when the run begins, and each of the others is written when
the batch before is out; in the arm ``at once`` all are there from the start. Both make batches of
20 until 400 texts are labelled, with the same seeds: those of the run and of the first batch. Steps
are the live loop's own, over a store in memory that answers at once; only the clock is simulated.

Said are the accuracy on the test set after each batch of either arm, and of ``daily`` whether texts
of a file were chosen before the fact of their intake, how many batches after that fact the first of
them was, and how many were chosen of each file.

With ``--live`` one run of the arm ``daily`` is a ``loopd run`` that follows its files every second,
on the embedded Argilla, where ``loopd oracle``'s people answer. They get the right answers of all
files, those that are not there yet included.

Finished runs are kept in ``SETS/trec/daily_files.jsonl``: what was stopped goes on. Writes
``benchmarks/results/daily_files_CLASSIFIER.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import yaml

from loopd.backtest.oracle_store import OracleStore
from loopd.backtest.trial import share_caches
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.events import BatchPlanned, Event, PoolGrew, RoundEvaluated, RunStarted
from loopd.loop.data_sets import read_data
from loopd.loop.pool_source import looks
from loopd.loop.pool_watch import PoolWatch
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import first_event
from loopd.loop.stop import Stop
from loopd.loop.taken_in import keep_first
from loopd.loop.tools import Clock, build_tools
from loopd.machine import State
from loopd.oracle.behaviour import OracleOptions
from loopd.oracle.oracle import OracleTask, run_oracle
from loopd.records import Target
from loopd.storage.journal import Journal
from loopd.storage.run_folder import CACHE_FOLDER, JOURNAL_NAME
from loopd.tasks.registry import build_task

FILES, BATCH, LABELS = 14, 20, 400
DAILY, AT_ONCE = "daily", "at once"
PACE, TURN = 2.0, 5.0
"""Seconds between two looks at the files, and simulated ones between two looks at the clock."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """A set, dealt out as files.

    Attributes:
        rows: of each file.
        settings: of the set.
    """

    rows: Sequence[Sequence[Row]]
    settings: dict[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Files:
        """Deal out the set of a folder."""
        lines = (folder / "pool.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [{"id": f"q{n:04d}", **json.loads(line)} for n, line in enumerate(lines)]
        order = np.random.default_rng(0).permutation(len(rows))
        parts = [[rows[row] for row in part] for part in np.array_split(order, FILES)]
        settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        return cls(parts, settings, folder.absolute())

    def write(self, folder: Path, number: int) -> None:
        """Write a file as others do: under another name first."""
        path = folder / f"day{number + 1:02d}.jsonl"
        rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows[number])
        path.with_suffix(".tmp").write_text("".join(rows), encoding="utf-8")
        path.with_suffix(".tmp").rename(path)

    def config(self, folder: Path, seed: int, classifier: str) -> dict[str, Any]:
        """Settings of a run that follows ``folder/files``."""
        return {
            "run": {"dir": "run", "seed": seed},
            "argilla": {"dataset": "daily-files"},
            "task": self.settings["task"],
            "pool": {
                **self.settings["pool"],
                "path": str(folder / "files"),
                "id": "id",
                "follow": f"{PACE:g}s",
            },
            "test": {**self.settings["test"], "path": str(self.folder / "test.jsonl")},
            "classifier": {"name": classifier},
            "queue": {"batch_size": BATCH, "low_watermark": 0},
            "audit": {"folds": 0},
            "stopping": {"label_budget": LABELS},
        }

    @property
    def file_of(self) -> dict[str, int]:
        """The number of a text's file, from 0, by its id."""
        return {row["id"]: number for number, rows in enumerate(self.rows) for row in rows}


# -- what a journal says ---------------------------------------------------------------------------


def told(events: Sequence[Event], files: Files) -> Row:
    """Accuracies, and what was chosen of which file and when."""
    file_of, there = files.file_of, set[int]()
    joined, first, chosen = dict[int, int](), dict[int, int](), [0] * FILES
    early = batches = texts = 0
    borders = list(itertools.accumulate(len(rows) for rows in files.rows))
    for event in events:
        if isinstance(event, (RunStarted, PoolGrew)):
            texts = event.texts if isinstance(event, RunStarted) else event.total
            for number in [n for n, end in enumerate(borders) if end <= texts and n not in there]:
                there.add(number)
                joined[number] = batches
        elif isinstance(event, BatchPlanned):
            batches += 1
            for id_ in event.batch.record_ids:
                number = file_of[id_]
                early += number not in there
                chosen[number] += 1
                first.setdefault(number, batches)
    return {
        "accuracy": [
            round(float(str(event.metrics["accuracy"])), 4)
            for event in events
            if isinstance(event, RoundEvaluated) and "accuracy" in event.metrics
        ],
        "batches": batches,
        "texts": texts,
        "chosen_before_they_came": early,
        "batches_before_each_file": [joined.get(number) for number in range(FILES)],
        "batches_until_one_was_chosen": [
            first[number] - joined[number] if number in first else None for number in range(FILES)
        ],
        "chosen_of_each_file": chosen,
    }


# -- in this process -------------------------------------------------------------------------------


@dataclass
class Simulation:
    """One run over a store in memory."""

    files: Files
    config: Config
    is_daily: bool
    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0
    _written: int = 0

    def run(self) -> list[Event]:
        """From the first file to the last label."""
        while self._written < (1 if self.is_daily else FILES):
            self._next_file()
        seen, data = looks(self.config), read_data(self.config)
        clock = Clock(monotonic=self._passing)
        watch = PoolWatch(self.config, clock.monotonic, clock.wall)
        people = OracleOptions(seed=self.config.run.seed)
        store = OracleStore(build_task(self.config.task), people)
        tools = build_tools(self.config, data, Stop(), store=store, clock=clock, watch=watch)
        store.open(data.pool, fresh=True)
        keep_first(self.config, data.pool, seen, data.reports["pool"])
        loop = Loop(tools, Stop(), self._write)
        begun = first_event(State(), tools, "memory")
        if begun is None:
            raise RuntimeError("the run has begun before")
        loop.run(loop.record(State(), begun))
        return self.events

    def _passing(self) -> float:
        self.seconds += TURN
        return self.seconds

    def _next_file(self) -> None:
        folder = self.config.folder / "files"
        folder.mkdir(exist_ok=True)
        self.files.write(folder, self._written)
        self._written += 1

    def _write(self, event: Event, _: State) -> None:
        self.events.append(event)
        if isinstance(event, BatchPlanned) and self._written < FILES:
            self._next_file()


def simulated(files: Files, arm: str, seed: int, classifier: str) -> Row:
    """What a run says; encodings are shared with other runs of the set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = parse_config(files.config(folder, seed, classifier), folder)
        share_caches(config.run.dir / CACHE_FOLDER, files.folder / "daily-files-cache")
        return told(Simulation(files, config, arm == DAILY).run(), files)


def finished(files: Files, seeds: int, classifier: str) -> list[Row]:
    """All runs; those that were not made before are made, and kept."""
    path = files.folder / "daily_files.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    known = {(row["classifier"], row["seed"], row["arm"]): row for row in rows}
    wanted = [(classifier, seed, arm) for seed in range(seeds) for arm in (DAILY, AT_ONCE)]
    for number, (name, seed, arm) in enumerate(wanted, start=1):
        if (name, seed, arm) not in known:
            row: Row = {"classifier": name, "seed": seed, "arm": arm}
            row |= simulated(files, arm, seed, name)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            known[name, seed, arm] = row
            print(f"{number}/{len(wanted)} {name} {seed} {arm}: {row['accuracy'][-1]}", flush=True)
    return [known[key] for key in wanted]


def compared(rows: Sequence[Row]) -> Row:
    """Both arms after some batches and at the end, paired by seed."""
    curves = {
        arm: np.array([row["accuracy"] for row in rows if row["arm"] == arm])
        for arm in (DAILY, AT_ONCE)
    }
    gaps = curves[DAILY] - curves[AT_ONCE]
    daily = [row for row in rows if row["arm"] == DAILY]
    return {
        "seeds": len(daily),
        "labels": [BATCH * (round_ + 1) for round_ in range(gaps.shape[1])],
        **{arm: curve.mean(axis=0).round(4).tolist() for arm, curve in curves.items()},
        "difference": gaps.mean(axis=0).round(4).tolist(),
        "standard_error": (gaps.std(axis=0, ddof=1) / len(gaps) ** 0.5).round(4).tolist(),
        "differences_at_the_end": gaps[:, -1].round(4).tolist(),
        "chosen_before_they_came": sum(row["chosen_before_they_came"] for row in daily),
        "batches_before_each_file": daily[0]["batches_before_each_file"],
        "most_batches_until_one_was_chosen": max(
            count or 0 for row in daily for count in row["batches_until_one_was_chosen"]
        ),
        "files_of_which_none_was_chosen": sum(row["chosen_of_each_file"].count(0) for row in daily),
        "chosen_of_each_file": np.mean([row["chosen_of_each_file"] for row in daily], axis=0)
        .round(1)
        .tolist(),
    }


# -- live ------------------------------------------------------------------------------------------


def live(files: Files, seed: int, classifier: str, seconds: float) -> Row:
    """What a ``loopd run`` says whose people answer in Argilla."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "files").mkdir()
        files.write(folder / "files", 0)
        server = stack.enter_context(EmbeddedServer(folder / "argilla", ready_within=600))
        settings = files.config(folder, seed, classifier)
        settings["argilla"] |= {"url": server.url, "workspace": server.workspace}
        settings["queue"] |= {"poll_interval": 0.5}
        settings["dashboard"] = {"enabled": False}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        config = parse_config(settings, folder)
        share_caches(config.run.dir / CACHE_FOLDER, files.folder / "daily-files-cache")
        stack.enter_context(_people(server, config, files, seconds))
        log = stack.enter_context((files.folder / "daily_files_live.log").open("wb"))
        key = server.owner.api_key
        daemon = subprocess.Popen(
            [sys.executable, "-m", "loopd", "run", str(folder / "config.yaml")],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "ARGILLA_API_KEY": key},
        )
        try:
            _deal(files, folder, daemon)
        finally:
            daemon.terminate()
            daemon.wait()
        return told(_events(config.run.dir), files)


@contextmanager
def _people(server: EmbeddedServer, config: Config, files: Files, seconds: float) -> Iterator[None]:
    """Two people who know the labels of all files, those that are not there yet included."""
    gold: dict[str, Target] = {row["id"]: row["label"] for rows in files.rows for row in rows}
    task = OracleTask(server.workspace, config.argilla.dataset, build_task(config.task), gold)
    options = OracleOptions(people=2, seconds_per_answer=seconds, poll_seconds=0.5)
    stop, key = threading.Event(), server.owner.api_key

    def work() -> None:
        run_oracle(server.url, key, task, options=options, stop=stop, report=lambda _: None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(30)


def _deal(files: Files, folder: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Write the next file when another batch is out and the last file has joined, until the end."""
    written = 1
    while daemon.poll() is None:
        time.sleep(0.5)
        events = _events(folder / "run")
        batches = sum(isinstance(event, BatchPlanned) for event in events)
        joined = 1 + sum(isinstance(event, PoolGrew) for event in events)
        if written < FILES and joined == written and batches >= written:
            files.write(folder / "files", written)
            written += 1
            print(f"file {written}, {batches} batches", flush=True)


def _events(run: Path) -> list[Event]:
    if not (run / JOURNAL_NAME).exists():
        return []
    with Journal(run / JOURNAL_NAME, read_only=True) as journal:
        return list(journal.read())


def main() -> None:
    """Run it, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--classifier", default="frozen-head")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.8, help="mean time of a live answer")
    parser.add_argument("--out", type=Path, help="folder of the figures")
    options = parser.parse_args()
    files, figures = Files.read(options.set), {"machine": machine.described()}
    name = f"daily_files_{options.classifier}"
    if options.live:
        figures["live"] = live(files, 0, options.classifier, options.seconds)
        name += "_live"
    else:
        figures |= compared(finished(files, options.seeds, options.classifier))
    print(json.dumps(figures, indent=1))
    print(machine.write(name, figures, options.out))


if __name__ == "__main__":
    main()
