"""How long people wait for the next record, on a real Argilla.

    python benchmarks/never_wait.py SET WORK [--people 3] [--seconds 4] [--labels 260]
                                    [--arms auto,whole,public] [--rounds-512 1]
                                    [--public-labels 260]

SET is a folder with ``config.yaml``, ``pool.jsonl`` and ``test.jsonl``, as ``make_sets.py`` writes
them. One embedded Argilla on 127.0.0.1 serves all arms one after the other; simulated people answer
through its API, each at the given mean pace, and look for the next record every second:

- ``auto``: loopd as it comes, ``queue.low_watermark: auto``;
- ``whole``: loopd with ``queue.low_watermark: 0``, which waits for whole batches;
- ``public``: the loop of the public tutorials: wait for the whole batch, train small-text's own
  classifier (see ``public_recipe.py``), query BreakingTies, publish 20. Texts are padded to 64
  tokens, in the last ``--rounds-512`` rounds to 512 as published. It begins with the other arms'
  first batch, measures no accuracy, and may be followed for ``--public-labels`` labels only.

``auto-1`` is the arm ``auto`` with seed 1, and so on: accuracy differs from seed to seed.

What is reported: seconds in which a person had no open record, summed over the people, for each 100
labels; the turnaround from the last answer that a batch needed to the next batch being shown; how
many answers the model behind a batch had not seen; accuracy. The first batch is not counted: before
it nobody could work. Processor time of server, people and model is shared, as it would be on one
small machine. WORK keeps the runs; an arm whose run is complete is not run again. Writes
``benchmarks/results/never_wait.json`` and ``never_wait.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import yaml
from public_recipe import PublicRecipe

from loopd.annotation.argilla_store import ArgillaStore
from loopd.config import Config
from loopd.config_file import load_config
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.learning.classifiers.source import locate
from loopd.loop.answer_times import moment
from loopd.loop.data_sets import DataSets, read_data
from loopd.loop.tools import build_learner, build_store
from loopd.metrics_log.rows import Row, number, read_metrics
from loopd.records import Answer, Batch, BatchItem, PoolId, published_as, text_of

LOOK_SECONDS = 3.0
"""How often the public loop looks for answers: as often as loopd and as the tutorial's listener."""

FROM_THIRD = 2
"""The first batch that comes after two measured rounds."""


@dataclass(frozen=True)
class Setting:
    """What all arms share."""

    sections: dict[str, Any]
    work: Path
    people: int
    seconds: float
    labels: int
    url: str
    api_key: str

    def config(self, arm: str, watermark: int | str) -> Path:
        """Write the configuration of an arm."""
        sections = {
            **self.sections,
            "run": {"dir": "run", "seed": int(arm.partition("-")[2] or 0)},
            "argilla": {"url": self.url, "workspace": "bench", "dataset": f"never-wait-{arm}"},
            "queue": {"batch_size": 20, "low_watermark": watermark},
            "stopping": {"label_budget": self.labels},
        }
        folder = self.work / arm
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(sections), encoding="utf-8")
        return path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ARGILLA_API_KEY": self.api_key}


@contextmanager
def people(setting: Setting, config: Path) -> Iterator[None]:
    """Simulated people at work in a process of their own."""
    command = [sys.executable, "-m", "loopd", "oracle", str(config), "--gold", "label"]
    manners = ["--people", str(setting.people), "--seconds", str(setting.seconds)]
    with (config.parent / "people.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *manners], stdout=log, stderr=log, env=setting.environment
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def loopd_arm(setting: Setting, arm: str, watermark: int | str) -> list[Row]:
    """Rows of the metrics log of a whole run of the daemon."""
    config = setting.config(arm, watermark)
    with people(setting, config), (config.parent / "daemon.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "loopd", "run", str(config)],
            check=True,
            stdout=log,
            stderr=log,
            env=setting.environment,
        )
    rows = read_metrics(config.parent / "run" / "metrics.jsonl")
    if not rows or (number(rows[-1], "labels") or 0) < setting.labels:
        raise SystemExit(f"the run of {arm} was ended early; start again to go on with it")
    return rows


class PublicLoop:
    """The tutorial's loop; record ids stand for its positions, so that labels meet their texts."""

    def __init__(self, config: Config, store: ArgillaStore, data: DataSets) -> None:
        self._config, self._store, self._data = config, store, data
        model = locate(config.classifier.model)
        texts = [record.text for record in data.pool]
        self._recipes = {
            padding: PublicRecipe(texts, len(config.task.labels), model, padding=padding)
            for padding in (64, 512)
        }
        self._published: list[PoolId] = []

    def publish(self, number: int, ids: Sequence[PoolId]) -> float:
        """Publish a batch; when it was shown."""
        items = tuple(BatchItem(id_) for id_ in ids)
        batch = Batch(f"b{number:04d}", number, "breaking_ties", None, items)
        self._store.publish(batch, {id_: self._data.pool[id_].text for id_ in ids})
        self._published += ids
        return time.time()

    def collect(self) -> tuple[Answer, ...]:
        """Wait for the whole batch; all answers."""
        while True:
            answers = self._store.sweep([published_as(id_) for id_ in self._published]).answers
            if len({answer.external_id for answer in answers}) == len(self._published):
                return answers
            time.sleep(LOOK_SECONDS)

    def query(self, answers: Sequence[Answer], padding: int, seed: int) -> list[PoolId]:
        """Train on everything and choose 20."""
        names = self._config.task.labels
        known = {text_of(answer.external_id): names.index(str(answer.value)) for answer in answers}
        positions = np.array([self._data.pool.positions[id_] for id_ in known])
        learner = self._recipes[padding].fit(positions, np.array([*known.values()]), seed)
        chosen = learner.query(num_samples=20)
        return [self._data.pool.records[int(place)].id for place in chosen]


def public_arm(setting: Setting, rounds_512: int) -> list[Row]:
    """Rows like loopd's of the public loop."""
    path = setting.config("public", 0)
    os.environ["ARGILLA_API_KEY"] = setting.api_key
    config = load_config(path)
    data, store = read_data(config), build_store(config)
    store.open(data.pool, fresh=True)
    learner = build_learner(config, data.pool)
    first = learner.first_batch(20, round=0, exclude=())
    loop, rows = PublicLoop(config, store, data), list[Row]()
    with people(setting, path):
        loop.publish(0, [item.record_id for item in first.items])
        last = setting.labels // 20 - 1
        for number_ in range(1, last + 1):
            answers = loop.collect()
            newest = max(moment(answer.time) for answer in answers)
            padding = 512 if number_ > last - rounds_512 else 64
            shown = loop.publish(number_, loop.query(answers, padding, number_))
            waited = max(0.0, shown - newest)
            rows.append({
                "round": number_, "labels": 20 * number_, "padding": padding, "staleness": 0,
                "turnaround": waited, "waiting.total": waited * setting.people,
            })  # fmt: skip
            print(f"public: round {number_}, {waited:.0f} s, padding {padding}", flush=True)
    store.close()
    return rows


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """What an arm comes to."""
    later = [row for row in rows if (number(row, "round") or 0) >= 1]
    third = [row for row in later if (number(row, "round") or 0) >= FROM_THIRD]
    labels = max(number(row, "labels") or 0 for row in rows)
    batches = max(number(row, "round") or 0 for row in rows)

    def summed(some: Sequence[Row]) -> float:
        return sum(number(row, "waiting.total") or 0.0 for row in some)

    return {
        "labels": labels,
        "batches": batches + 1,
        "waiting_per_100_labels": 100 * summed(later) / labels,
        "waiting_from_third_round": summed(third),
        "turnaround_mean": float(np.mean([number(row, "turnaround") or 0.0 for row in later])),
        "staleness_mean": float(np.mean([number(row, "staleness") or 0.0 for row in later])),
        "accuracy": number(rows[-1], "accuracy"),
    }


def draw(arms: dict[str, Any], path: Path) -> None:
    """Waiting seconds before each batch, and accuracy over labels."""
    from loopd.drawing import new_figure, png, style

    figure = new_figure("Seconds in which people had nothing to do", height=4.6, width=9.6)
    waiting, accuracy = figure.subplots(1, 2)
    for place, (arm, found) in enumerate(arms.items()):
        rows = [row for row in found["rows"] if row["round"] >= 1]
        look = style(place)
        waits = [row["waiting.total"] for row in rows]
        waiting.plot([row["round"] for row in rows], waits, label=arm, **look)
        measured = [row for row in found["rows"] if row.get("accuracy") is not None]
        accuracy.plot(
            [row["labels"] for row in measured], [row["accuracy"] for row in measured], **look
        )
    waiting.set_yscale("symlog", linthresh=1)
    waiting.set_xlabel("batch")
    waiting.set_ylabel("seconds before it came, all people together")
    waiting.legend()
    accuracy.set_xlabel("labels")
    accuracy.set_ylabel("accuracy on the test set")
    path.write_bytes(png(figure))


def run_arm(arm: str, setting: Setting, rounds_512: int) -> list[Row]:
    """The rows of an arm: those of an earlier run where it is complete."""
    done = setting.work / arm / "rows.json"
    if not done.exists():
        kind = arm.partition("-")[0]
        if kind == "public":
            rows = public_arm(setting, rounds_512)
        else:
            rows = loopd_arm(setting, arm, "auto" if kind == "auto" else 0)
        done.write_text(json.dumps(rows), encoding="utf-8")
    found: list[Row] = json.loads(done.read_text(encoding="utf-8"))
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--labels", type=int, default=260)
    parser.add_argument("--arms", default="auto,whole,public")
    parser.add_argument("--rounds-512", type=int, default=1)
    parser.add_argument("--public-labels", type=int, default=260)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    work = options.work.absolute()
    sections = yaml.safe_load((options.set / "config.yaml").read_text(encoding="utf-8"))
    for name in ("pool", "test"):
        sections[name]["path"] = str((options.set / sections[name]["path"]).absolute())
    described = machine.described()
    arms: dict[str, Any] = {}
    with EmbeddedServer(work / "argilla", workspace="bench") as server:
        setting = Setting(
            sections=sections,
            work=work,
            people=options.people,
            seconds=options.seconds,
            labels=options.labels,
            url=server.url,
            api_key=server.owner.api_key,
        )
        for arm in options.arms.split(","):
            enough = options.public_labels if arm == "public" else options.labels
            rows = run_arm(arm, replace(setting, labels=enough), options.rounds_512)
            kept = ("round", "labels", "accuracy", "padding", "staleness", "turnaround", "open")
            arms[arm] = {
                **summary(rows),
                "rows": [
                    {key: row[key] for key in (*kept, "waiting.total") if key in row}
                    for row in rows
                ],
            }
            print(arm, json.dumps(summary(rows)), flush=True)
    draw(arms, machine.RESULTS / "never_wait.png")
    pace = {"people": options.people, "seconds_per_answer": options.seconds}
    print(machine.write("never_wait", {"machine": described, **pace, "arms": arms}))


if __name__ == "__main__":
    main()
