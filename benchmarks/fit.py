"""What a default fit of the transformer costs and learns, before and after a change of recipe.

    python benchmarks/fit.py SETS [--names trec politeness goemotions] [--seeds 5]
        [--counts 20 60 200] [--cache FOLDER] [--judge-only]

SETS holds a folder for each set, as ``make_sets.py`` writes them. Labels are drawn at random, more
of them for each count; both recipes learn from the same ones, one after the other, on one thread.
CPU seconds are those of the fit, vectors, head and saving included, and the pool's tokens not.
What is measured stays in ``benchmarks/results/fit.json``: a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from preselection import Sets
from which_classifier import smaller

from loopd.backtest.interval import estimate
from loopd.config import ClassifierSection, StrategySection
from loopd.learning.learner import Learner
from loopd.learning.training_sets import TrainingSet

RESULT = "fit"

ARMS: dict[str, dict[str, Any]] = {
    "before": {"epochs": 6, "min_steps": 20, "frozen_share": 0, "spread": 0},
    "after": {"spread": 0},
}
"""Options of the transformer; those of before are version 3 of its recipe."""

EVERY = "all pairs"

Row = dict[str, Any]


def learner_of(sets: Sets, arm: str, seed: int, cache: Path) -> Learner:
    """A learner with one of the recipes, its encoder and the pool's tokens there."""
    learner = Learner(
        sets.pool,
        sets.labels,
        classifier=ClassifierSection(name="transformer", threads=1, options=ARMS[arm]),
        strategy=StrategySection(name="random_sampling", cold_start="random_sampling"),
        seed=seed,
        cache=cache,
    )
    learner.check()
    learner.keep([])
    return learner


def fitted(sets: Sets, learner: Learner, count: int, order: Sequence[Any]) -> Row:
    """One fit and what it learned."""
    targets = sets.gold(order[:count])
    training_set: TrainingSet = learner._sets.of(1, targets)
    _ = learner._trainer.factory.pool_features
    began = time.process_time()
    classifier = learner._trainer._trained(training_set)
    cpu = time.process_time() - began
    model = learner._trainer._scored(classifier, training_set)
    learner.keep([])
    return {"cpu": round(cpu, 2), "accuracy": round(sets.accuracy(learner, model), 4)}


def measure(arguments: argparse.Namespace, rows: list[Row]) -> Iterator[Row]:
    """Every fit that is not measured yet, seed by seed."""
    done = {(row["set"], row["seed"], row["labels"]) for row in rows}
    for seed in range(arguments.seeds):
        for name in arguments.names:
            counts = [n for n in arguments.counts if (name, seed, n) not in done]
            if counts:
                yield from fits_of(arguments, name, seed, counts)


def fits_of(
    arguments: argparse.Namespace, name: str, seed: int, counts: Sequence[int]
) -> Iterator[Row]:
    """The fits of one set and seed, both recipes in one row."""
    sets = smaller(Sets.read(arguments.sets / name), 600)
    cache = (arguments.cache or Path(tempfile.mkdtemp(prefix="loopd-fit-"))) / name
    learners = {arm: learner_of(sets, arm, seed, cache) for arm in ARMS}
    order = [record.id for record in sets.pool]
    np.random.default_rng(seed).shuffle(order)
    for count in counts:
        row: Row = {"set": name, "seed": seed, "labels": count}
        for arm, learner in learners.items():
            told = fitted(sets, learner, count, order)
            row |= {f"{arm}.{key}": value for key, value in told.items()}
        yield row


def table(rows: Sequence[Row]) -> list[Row]:
    """For each set and count the means over seeds, and the paired difference; then all together."""
    lines = []
    groups = dict.fromkeys((row["set"], row["labels"]) for row in rows)
    for name, count in (*groups, (EVERY, 0)):
        own = [row for row in rows if name == EVERY or (row["set"], row["labels"]) == (name, count)]
        gaps = estimate([row["after.accuracy"] - row["before.accuracy"] for row in own])
        line: Row = {"set": name, "labels": count, "seeds": len(own)}
        for key in ("accuracy", "cpu"):
            for arm in ARMS:
                line[f"{arm}.{key}"] = round(
                    float(np.mean([row[f"{arm}.{key}"] for row in own])), 4
                )
        if gaps is not None:
            line |= {"gap": round(gaps.mean, 4), "gap_half": gaps.half and round(gaps.half, 4)}
        lines.append(line)
    return lines


def markdown(lines: Sequence[Row]) -> Iterator[str]:
    """The table for the documentation."""
    yield "| set | labels | accuracy before, after | difference | CPU seconds before, after |"
    yield "| --- | --- | --- | --- | --- |"
    for line in lines:
        half = "" if line["gap_half"] is None else f" ± {line['gap_half']:.3f}"
        yield (
            f"| {line['set']} | {line['labels']} "
            f"| {line['before.accuracy']:.3f}, {line['after.accuracy']:.3f} "
            f"| {line['gap']:+.3f}{half} ({line['seeds']} seeds) "
            f"| {line['before.cpu']:.1f}, {line['after.cpu']:.1f} |"
        )


def main() -> None:
    """Measure what is missing, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--names", nargs="+", default=("trec", "politeness", "goemotions"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=(20, 60, 200))
    parser.add_argument("--cache", type=Path, help="kept between runs: tokens of the pools")
    parser.add_argument("--judge-only", action="store_true")
    arguments = parser.parse_args()
    path = machine.RESULTS / f"{RESULT}.json"
    rows: list[Row] = json.loads(path.read_text())["rows"] if path.exists() else []
    for row in () if arguments.judge_only else measure(arguments, rows):
        print(json.dumps(row), flush=True)
        rows.append(row)
        told = {"machine": machine.described(), "table": table(rows), "rows": rows}
        machine.write(RESULT, told)
    print("\n".join(markdown(table(rows))))


if __name__ == "__main__":
    main()
