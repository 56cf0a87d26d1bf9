"""How often scoring in bf16 and deciding in fp32 picks the batch that fp32 alone picks.

    python benchmarks/screening.py SET [--seeds 4] [--strategies auto,margin] [--halves 3]

SET is a folder with ``config.yaml``, as ``make_sets.py`` writes it. For each seed the default
learner labels batch after batch of the pool by its own choice, as `loopd simulate` does. In every
round each of the strategies chooses the next batch twice from the whole pool and from random halves
of it: with screening, as the daemon does, and with every text scored in full precision. Equal means
the same records in the same order. The comparisons of a round share one model, so what is counted
in the end are rounds: those in which no comparison gave another batch.

Writes ``benchmarks/results/screening.json`` after each seed; started again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import torch
from scipy.stats import binomtest

from loopd.config import Config, StrategySection
from loopd.config_file import load_config
from loopd.learning import seeding, small_text_query
from loopd.learning.fitted import FittedClassifier, PoolScores
from loopd.learning.learner import Learner, Model
from loopd.learning.problems.single_label import SingleLabelProblem
from loopd.learning.strategies import registry
from loopd.loop.data_sets import read_data
from loopd.loop.tools import build_learner
from loopd.records import PoolId, Targets

RESULTS = machine.RESULTS / "screening.json"


class Unscreened(PoolScores):
    """Scores that know no rough ones; the whole pool is scored once, and parts are taken of it."""

    def of(self, rows: Any) -> Any:
        """Probabilities (k, C) in full precision."""
        return super().of(np.arange(self.features.shape[0]))[rows]

    def screen(self, rows: Any) -> None:
        """Nothing is faster than full precision."""
        del rows


class Run:
    """One seed: labels batch after batch, and compares in every round."""

    def __init__(self, config: Config, seed: int, cache: Path, halves: int) -> None:
        self._halves = halves
        run = config.run.model_copy(update={"seed": seed, "dir": cache})
        self._config = config.model_copy(update={"run": run})
        self._pool = read_data(self._config).pool
        self._problem = SingleLabelProblem(config.task.labels)
        self._learner: Learner = build_learner(self._config, self._pool)

    def rounds(self, strategies: list[str]) -> Iterator[dict[str, Any]]:
        """The comparisons of each round."""
        size, gold = self._config.queue.batch_size, self._pool
        items = self._learner.first_batch(size, round=0, exclude=()).items
        targets: dict[PoolId, Any] = {}
        for number in range(self._config.stopping.max_rounds or 1):
            targets |= {item.record_id: gold[item.record_id].gold for item in items}
            if not self._learner.can_fit(targets):
                return
            model = self._learner.fit(number, targets)
            for strategy in strategies:
                yield from self._compared(model, strategy, targets, number)
            items = self._learner.choose(
                model, size, round=number + 1, targets=targets, exclude=()
            ).items

    def _compared(
        self, model: Model, strategy: str, targets: Targets, number: int
    ) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng([self._config.run.seed, number])
        half = len(self._pool) // 2
        parts = [rng.choice(len(self._pool), half, replace=False) for _ in range(self._halves)]
        if not isinstance(model.scores, PoolScores):
            raise TypeError("only for texts with labels")
        everything = replace_scores(model.scores)
        for left_out in (np.empty(0, dtype=np.int64), *parts):
            screened = self._chosen(model.scores, strategy, targets, left_out)
            exact = self._chosen(everything, strategy, targets, left_out)
            yield {
                "strategy": strategy,
                "round": number,
                "labels": len(targets),
                "texts": len(self._pool) - len(left_out),
                "equal": screened.tolist() == exact.tolist(),
                "size": len(exact),
                "shared": len(set(screened.tolist()) & set(exact.tolist())),
            }

    def _chosen(self, scores: Any, strategy: str, targets: Targets, left_out: Any) -> Any:
        positions = np.array(sorted(self._pool.positions[each] for each in targets))
        records = self._pool.records
        y = self._problem.encode([targets[records[place].id] for place in positions])
        section = StrategySection(name=strategy)
        with seeding.seeded(0):
            chosen, _ = small_text_query.query(
                registry.create(section, len(self._config.task.labels)),
                FittedClassifier(scores, self._learner._background),
                self._problem.pool(scores.features),
                self._config.queue.batch_size,
                labelled=(positions, y),
                ignored=np.setdiff1d(left_out, positions),
            )
        return chosen


def replace_scores(scores: PoolScores) -> Unscreened:
    """The same scores without screening, which share what was computed exactly."""
    return Unscreened(
        scores.classifier,
        scores.features,
        scores.num_classes,
        scores.preselect,
        scores.multi_label,
        scores._kept,
    )


def summary(seeds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Batches by strategy, and rounds with the 95 % bounds of Clopper and Pearson."""
    rows = [{**row, "seed": seed} for seed, found in seeds.items() for row in found]
    batches = {}
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        own = [row for row in rows if row["strategy"] == strategy]
        batches[strategy] = {
            "batches": len(own),
            "same_texts": sum(same_texts(row) for row in own),
            "same_order": sum(row["equal"] for row in own),
        }
    rounds: dict[tuple[str, int], bool] = {}
    for row in rows:
        key = (row["seed"], row["round"])
        rounds[key] = rounds.get(key, True) and same_texts(row)
    same = sum(rounds.values())
    found: dict[str, float] = {"rounds": len(rounds), "same_texts": same}
    if rounds:
        interval = binomtest(same, len(rounds)).proportion_ci()
        found |= {"share_low": float(interval.low), "share_high": float(interval.high)}
    return {"batches": batches, "rounds": found}


def same_texts(row: dict[str, Any]) -> bool:
    """Whether both ways chose the same texts, in whatever order."""
    return bool(row["shared"] == row["size"])


def main() -> None:
    """Parse the arguments and go on where it was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path, help="folder made by make_sets.py")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--strategies", default="auto,margin")
    parser.add_argument("--halves", type=int, default=3, help="of the pool, besides the whole")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: all")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = load_config(arguments.set / "config.yaml")
    stopping = config.stopping.model_copy(update={"max_rounds": arguments.rounds})
    config = config.model_copy(update={"stopping": stopping})
    results: Path = arguments.results
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    seeds: dict[str, list[dict[str, Any]]] = known.get("seeds", {})
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            if str(seed) in seeds:
                continue
            run = Run(config, seed, Path(folder), arguments.halves)
            rows: list[dict[str, Any]] = []
            for row in run.rounds(arguments.strategies.split(",")):
                rows.append(row)
                print(json.dumps({"seed": seed, **row}), flush=True)
            seeds[str(seed)] = rows
            write(results, arguments.set.name, seeds)
    write(results, arguments.set.name, seeds)


def write(path: Path, name: str, seeds: dict[str, list[dict[str, Any]]]) -> None:
    """Write what is known."""
    figures = {"set": name, "machine": machine.described(), "summary": summary(seeds)}
    machine.write(path.stem, {**figures, "seeds": seeds}, path.parent)
    print(json.dumps(figures["summary"]), flush=True)


if __name__ == "__main__":
    main()
