"""What a round costs where the model learns from unlabelled texts, and where it does not.

    python benchmarks/round_cost.py SET... [--counts 20 60] [--repeats 5] [--threads 1]
        [--bf16 auto|true|false]

SET is a folder as ``make_sets.py`` writes them. A round is: a fit, the choice of the next 20 texts,
and predictions for the test set. Labels are drawn at random; each arm has the same ones, and the
arms take turns, so that a busy machine slows all of them down. The pool is encoded before. CPU
seconds, median over the repeats, go to ``benchmarks/results/round_cost.json``; ``--bf16 false``
is how it goes on processors that gain nothing from it, ``round_cost_fp32.json``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from preselection import BATCH, Sets

from loopd.config import ClassifierSection, StrategySection
from loopd.learning.learner import Learner
from loopd.records import Targets

ARMS: dict[str, dict[str, Any]] = {
    "answers alone": {"spread": 0},
    "spread labels": {"spread": 1200},
    "self-training": {"spread": 1200, "self_training": 300},
}


def learner_of(sets: Sets, cache: Path, arm: str, arguments: argparse.Namespace) -> Learner:
    """A learner of one arm with everything that is no part of a round behind it."""
    options = {**ARMS[arm], "bf16": {"true": True, "false": False}.get(arguments.bf16, "auto")}
    learner = Learner(
        sets.pool,
        sets.labels,
        classifier=ClassifierSection(
            name="transformer", threads=arguments.threads, options=options
        ),
        strategy=StrategySection(),
        seed=0,
        cache=cache,
    )
    learner.check()
    learner.vectors([sets.pool.records[0].id])
    return learner


def cpu_of_round(sets: Sets, learner: Learner, number: int, targets: Targets) -> float:
    """CPU seconds."""
    began = time.process_time()
    model = learner.fit(number, targets)
    learner.choose(model, BATCH, round=number, targets=targets, exclude=set(targets))
    sets.accuracy(learner, model)
    spent = time.process_time() - began
    learner.keep([])
    return spent


def measured(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The lines of one set."""
    sets = Sets.read(folder)
    with ExitStack() as stack:
        caches = {arm: stack.enter_context(tempfile.TemporaryDirectory()) for arm in ARMS}
        learners = {
            arm: learner_of(sets, Path(cache), arm, arguments) for arm, cache in caches.items()
        }
        order = np.random.default_rng(0).permutation(len(sets.pool))
        for count in arguments.counts:
            targets = sets.gold([sets.pool.records[row].id for row in order[:count]])
            spent: dict[str, list[float]] = {arm: [] for arm in ARMS}
            for number in range(arguments.repeats + 1):
                for arm, learner in learners.items():
                    spent[arm].append(cpu_of_round(sets, learner, number, targets))
            # The first turn imports and compiles.
            seconds = {arm: round(median(each[1:]), 2) for arm, each in spent.items()}
            yield {"set": folder.name, "labels": count, "texts": len(sets.pool), **seconds}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--counts", type=int, nargs="+", default=(20, 60))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", choices=("auto", "true", "false"), default="auto")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    name = "round_cost_fp32" if arguments.bf16 == "false" else "round_cost"
    for folder in arguments.sets:
        for row in measured(folder, arguments):
            print(row, flush=True)
            rows.append(row)
            machine.write(name, {"machine": machine.described(), "rows": rows})


if __name__ == "__main__":
    main()
