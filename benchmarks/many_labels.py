"""What it costs, in seconds and accuracy, not to fine-tune in every round of many labels.

    python benchmarks/many_labels.py SET [--labels 1000] [--grown 0.09] [--seeds 3] [--threads N]
        [--model FOLDER] [--max-steps N]

SET is a folder as ``make_sets.py`` writes it, with ``pool.jsonl`` and ``test.jsonl``. For each seed
so many texts are drawn, and a tenth more (``--grown``). Two models learn from all of them: one
fine-tunes on them, the other keeps the encoder that was fine-tuned on the first and fits its head
alone, as rounds do in between. Seconds are those of the fit. Another encoder and ``max_steps`` of
fine-tuning make it quicker. Writes ``benchmarks/results/many_labels.json``, beside what is there of
other sets and numbers of labels.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np

from loopd.config import ClassifierSection, DataSection, StrategySection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.learner import Learner, Model
from loopd.learning.takeover import Tuned
from loopd.records import PoolId, Target


def one_seed(pool: Pool, test: Pool, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Accuracy and seconds of both models."""
    labels = tuple(sorted({str(record.gold) for record in pool}))
    order = np.random.default_rng(seed).permutation(len(pool))
    grown = round(arguments.labels * (1 + arguments.grown))
    records = [pool.records[row] for row in order[:grown]]
    targets: dict[PoolId, Target] = {record.id: str(record.gold) for record in records}
    first = dict(list(targets.items())[: arguments.labels])
    with tempfile.TemporaryDirectory() as cache:
        learner = Learner(
            pool,
            labels,
            classifier=section(arguments),
            strategy=StrategySection(name="random_sampling", cold_start="random_sampling"),
            seed=seed,
            cache=Path(cache),
        )
        learner.check()
        before = learner.fit(1, first)
        tuned = Tuned(before.id, 1, lambda: first)
        refitting, refitted = machine.timed(lambda: learner.fit(2, targets, encoder=tuned))
        tuning, fresh = machine.timed(lambda: learner.fit(2, targets))
        return {
            "seed": seed,
            "labels": grown,
            "head alone": {"seconds": refitting, "accuracy": accuracy(learner, refitted, test)},
            "fine-tuned": {"seconds": tuning, "accuracy": accuracy(learner, fresh, test)},
            "before": {"labels": len(first), "accuracy": accuracy(learner, before, test)},
        }


def section(arguments: argparse.Namespace) -> ClassifierSection:
    """The classifier's settings."""
    settings: dict[str, Any] = {"name": "transformer", "threads": arguments.threads}
    if arguments.model:
        settings["model"] = arguments.model
    return ClassifierSection(**settings, options={"max_steps": arguments.max_steps})


def accuracy(learner: Learner, model: Model, test: Pool) -> float:
    """On the test set."""
    guesses = learner.predict(model, test)
    return float(np.mean([guess == row.gold for guess, row in zip(guesses, test, strict=True)]))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--grown", type=float, default=0.09, help="share of labels more")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--model", help="another encoder")
    parser.add_argument("--max-steps", type=int, help="of fine-tuning, at most")
    arguments = parser.parse_args()
    files = [arguments.set / f"{name}.jsonl" for name in ("pool", "test")]
    pool, test = (
        read_pool(DataSection(path=file, label="label"), labels=None)[0] for file in files
    )
    path = machine.RESULTS / "many_labels.json"
    figures: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    others = [Path(arguments.model).name] if arguments.model else []
    others += [f"{arguments.max_steps} steps"] if arguments.max_steps else []
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        rows.append(one_seed(pool, test, seed, arguments))
        print(rows[-1], flush=True)
        name = "/".join([arguments.set.name, str(arguments.labels), *others])
        figures[name] = {"machine": machine.described(), "rounds": rows}
        machine.write("many_labels", figures)


if __name__ == "__main__":
    main()
