"""How many second opinions `activelab` asks for, how many change a label, and how many mend it.

    python benchmarks/second_opinions.py SET WORK [--people three] [--seeds 3] [--rounds 12]
        [--consensus crowdlab,majority] [--politeness DATA]

SET is a folder as ``make_sets.py`` writes it, of texts with one label. Who answers:

- ``three``: one is right in .95 of the answers; one in .70, and says else the label of which they
  are fond; one says any label. Each text is answered by them in an order drawn for it.
- ``sixty``: three answers a text by three of 60 people, who are right in .77 on average, but more
  often on easy texts than on hard ones, and err towards what a text resembles (the structure of
  NoisyAG-News, Huang et al. 2024). Hardness and resemblance are the held-out probabilities of a
  logistic regression on TF-IDF.
- ``real``, with ``--politeness``: what people said of the politeness data (see ``activelab.py``).
  There a label is right that is the majority's of all five.

Every run is loopd's own loop on a store in memory: ``frozen-head``, 60 random texts with one answer
each, then 20 answers a round. Arms: random texts, ``activelab``, and ``activelab`` on one scale
alone, without the share for doubted labels. Seeds share texts, people and what begins the run.
Writes ``second_opinions.json`` into ``benchmarks/results`` after each run and skips what it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest import mock

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import activelab
import machine
import numpy as np
from preselection import Sets

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.events import BatchPlanned, Event, RoundEvaluated
from loopd.loop.data_sets import DataSets
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin
from loopd.loop.stop import Stop
from loopd.loop.tools import build_tools
from loopd.machine import State
from loopd.metrics_log import writer as metrics_log
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Targets
from loopd.tasks.registry import build_task

FIRST, BATCH = 60, 20
ARMS = {"random": 0.5, "activelab": 0.5, "activelab, one scale": 0.0}
"""The share of a batch for doubted labels."""

Said = Mapping[PoolId, Sequence[tuple[str, str]]]
"""Who says what of each text, in the order in which they are asked."""


class Crowd(MemoryStore):
    """A store in which everything is answered at once, by the next person of the text."""

    def __init__(self, config: Config, said: Said) -> None:
        super().__init__(build_task(config.task))
        self._next = {id_: iter(answers) for id_, answers in said.items()}

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Publish and answer."""
        fresh = [item for item in batch.items if not self.holds(item.external_id)]
        left_out = super().publish(batch, texts)
        for item in fresh:
            self.submit(item.external_id, *next(self._next[item.record_id]))
        return left_out


# -- who says what ---------------------------------------------------------------------------------


def three(sets: Sets) -> Said:
    """One good, one biased, one at random."""
    said = {}
    for record in sets.pool:
        rng, right = random.Random(record.id), str(record.gold)  # noqa: S311 # no secret
        answers = [
            ("good", right if rng.random() < 0.95 else rng.choice(sets.labels)),
            ("biased", right if rng.random() < 0.7 else sets.labels[0]),
            ("random", rng.choice(sets.labels)),
        ]
        rng.shuffle(answers)
        said[record.id] = answers
    return said


def sixty(sets: Sets) -> Said:
    """Three of 60, who err on hard texts towards what these resemble."""
    proba, gold = _resemblance(sets)
    right = proba[np.arange(len(gold)), gold]
    ease = right.argsort().argsort() / len(gold)
    errors = (0.23 * 2.5 * (1 - ease) ** 1.5).clip(0, 0.85)
    proba[np.arange(len(gold)), gold] = 0
    others = proba / proba.sum(axis=1, keepdims=True)
    said = {}
    for row, record in enumerate(sets.pool):
        rng = random.Random(record.id)  # noqa: S311 # no secret
        people = [f"g{group}p{rng.randrange(20):02d}" for group in range(3)]
        rng.shuffle(people)
        wrong = rng.choices(sets.labels, others[row], k=3)
        truth = str(record.gold)
        texts = zip(people, wrong, strict=True)
        said[record.id] = [
            (person, error if rng.random() < errors[row] else truth) for person, error in texts
        ]
    return said


def _resemblance(sets: Sets) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Held-out probabilities (n, C), none of them zero, and the right classes (n,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    gold = np.array([sets.labels.index(str(record.gold)) for record in sets.pool])
    rows = TfidfVectorizer(sublinear_tf=True).fit_transform(sets.pool.texts)
    model = LogisticRegression(C=10, max_iter=300)
    return cross_val_predict(model, rows, gold, cv=3, method="predict_proba") + 0.01, gold


def real(folder: Path) -> tuple[Sets, Said]:
    """The politeness data, of which every text has five answers."""
    data, answers, _ = activelab.read(folder)
    said: dict[PoolId, list[tuple[str, str]]] = {}
    for id_, each in answers.items():
        cast = [
            (who, activelab.LABELS[number])
            for who, number in {**each.initial, **each.extra}.items()
        ]
        random.Random(id_).shuffle(cast)  # noqa: S311 # no secret
        said[PoolId(id_)] = cast
    most = {
        id_: max(activelab.LABELS, key=[b for _, b in cast].count) for id_, cast in said.items()
    }
    pool = Pool(tuple(type(row)(row.id, row.text, most[row.id]) for row in data.pool))
    assert data.test is not None  # noqa: S101 # its file is required
    return Sets(pool, data.test, activelab.LABELS), said


# -- one run ---------------------------------------------------------------------------------------


def configuration(arm: str, consensus: str, seed: int, sets: Sets, options: Any) -> Config:
    """The configuration of one run."""
    return parse_config(
        {
            "run": {"dir": str(options.work / "run"), "seed": seed},
            "task": {"labels": list(sets.labels)},
            "pool": {"path": "pool.jsonl"},
            "test": {"path": "test.jsonl", "label": "label"},
            "classifier": {"name": "frozen-head", "threads": options.threads},
            "strategy": {"name": arm.partition(",")[0].replace("random", "random_sampling")},
            "relabel": {"max_annotations": 5 if options.people == "real" else 3},
            "consensus": {"strategy": consensus},
            "queue": {"low_watermark": 0, "batch_size": BATCH},
            "stopping": {"max_rounds": options.rounds, "criteria": []},
        },
        Path.cwd(),
    )


def run(
    arm: str, consensus: str, seed: int, crowd: tuple[Sets, Said], options: Any
) -> list[dict[str, Any]]:
    """The rounds of one run."""
    sets, said = crowd
    config = configuration(arm, consensus, seed, sets, options)
    store, stop = Crowd(config, said), Stop()
    tools = build_tools(config, DataSets(sets.pool, sets.test, {}), stop, store=store)
    labels: list[Targets] = []
    rows: list[dict[str, Any]] = []

    def write(event: Event, after: State) -> None:
        if isinstance(event, RoundEvaluated):
            labels.append(tools.resolver.consensus(after, tools).targets)
            rows.append(_row(after, labels, sets))
            tools.learner.keep([after.trained[event.round].model_id])

    loop = Loop(tools, stop, write)
    event = begin(State(), tools, store.open(sets.pool, fresh=True))
    state = loop.record(State(), event) if event is not None else State()
    state = loop.record(state, BatchPlanned(tools.clock.wall(), _first(sets, seed), 0.0))
    with mock.patch("loopd.learning.second_opinion.SHARE", ARMS[arm]):
        loop.run(state)
    return rows


def _first(sets: Sets, seed: int) -> Batch:
    rng = random.Random(seed)  # noqa: S311 # no secret
    ids = rng.sample([record.id for record in sets.pool], FIRST)
    return Batch("b0000", 0, "drawn", None, tuple(map(BatchItem, ids)))


def _row(state: State, labels: Sequence[Targets], sets: Sets) -> dict[str, Any]:
    """What one round brought."""
    logged = metrics_log.rows(state)[-1]
    copies = [item.record_id for item in state.batches[-1].items if item.copy_id is not None]
    now, before = labels[-1], labels[-2] if len(labels) > 1 else labels[-1]
    again = [id_ for id_ in copies if id_ in before and id_ in now]
    changed = [id_ for id_ in again if now[id_] != before[id_]]
    gold = {record.id: record.gold for record in sets.pool}
    return {
        "answers": logged["annotations"],
        "texts": logged["labels"],
        "accuracy": logged["accuracy"],
        "right labels": fmean(label == gold[id_] for id_, label in now.items()),
        "asked again": len(copies),
        "label was wrong": sum(before[id_] != gold[id_] for id_ in again),
        "changed": len(changed),
        "mended": sum(now[id_] == gold[id_] for id_ in changed),
        "spoilt": sum(before[id_] == gold[id_] for id_ in changed),
    }


# -- all of them -----------------------------------------------------------------------------------


def table(figures: Mapping[str, Any]) -> str:
    """Means over the seeds as Markdown."""
    counted = ("asked again", "label was wrong", "changed", "mended", "spoilt")
    heads = [
        "set, people",
        "consensus",
        "arm",
        "seeds",
        *counted,
        "right labels",
        "accuracy",
        "end",
    ]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, runs in figures.items():
        where, consensus, arm = name.split("/")
        sums = [
            f"{fmean(sum(row[key] for row in run) for run in runs.values()):.0f}" for key in counted
        ]
        ends = [
            fmean(run[-1]["right labels"] for run in runs.values()),
            fmean(row["accuracy"] for run in runs.values() for row in run),
            fmean(run[-1]["accuracy"] for run in runs.values()),
        ]
        cells = [where, consensus, arm, str(len(runs)), *sums, *(f"{end:.3f}" for end in ends)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("work", type=Path, help="folder for caches")
    parser.add_argument("--people", choices=("three", "sixty", "real"), default="three")
    parser.add_argument("--politeness", type=Path, help="folder of the raw data, for `real`")
    parser.add_argument("--consensus", default="crowdlab,majority")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args()
    options.work = options.work.absolute() / options.set.name
    path = options.out / "second_opinions.json"
    kept: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    figures: dict[str, Any] = kept.get("runs", {})
    if options.people == "real":
        crowd = real(options.politeness)
    else:
        sets = Sets.read(options.set)
        crowd = sets, {"three": three, "sixty": sixty}[options.people](sets)
    for seed in range(options.seeds):
        for consensus in options.consensus.split(","):
            for arm in ARMS:
                runs = figures.setdefault(
                    f"{options.set.name}, {options.people}/{consensus}/{arm}", {}
                )
                if str(seed) not in runs:
                    runs[str(seed)] = run(arm, consensus, seed, crowd, options)
                    machine.write(
                        "second_opinions",
                        {"machine": machine.described(), "runs": figures},
                        options.out,
                    )
        print(table(figures), flush=True)


if __name__ == "__main__":
    main()
