"""How often scoring in bf16 and deciding in fp32 picks the batch that fp32 alone picks.

    python benchmarks/screening.py SET [--seeds 4] [--strategies auto,margin] [--threads N]

SET is a folder with ``config.yaml``, as ``make_sets.py`` writes it. For each seed the default
learner labels batch after batch of the pool by its own choice, as `loopd simulate` does. In every
round each of the strategies chooses the next batch twice from the whole pool and from random halves
of it: with screening, as the daemon does, and with every text scored in full precision. Equal means
the same records in the same order.

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

from loopd.config import Config, StrategySection
from loopd.config_file import load_config
from loopd.learning import choosing, seeding
from loopd.learning.fitted import FittedClassifier, PoolScores
from loopd.learning.learner import Learner, Model
from loopd.learning.problems.single_label import SingleLabelProblem
from loopd.learning.strategies import registry
from loopd.loop.stop import Stop
from loopd.loop.tools import build_learner, read_data
from loopd.records import Targets

RESULTS = Path(__file__).parent / "results" / "screening.json"
HALVES = 3
"""Random halves of the pool in each round, besides the whole."""


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

    def __init__(self, config: Config, seed: int, cache: Path) -> None:
        run = config.run.model_copy(update={"seed": seed, "dir": cache})
        self._config = config.model_copy(update={"run": run})
        self._pool = read_data(self._config).pool
        self._problem = SingleLabelProblem(config.task.labels)
        self._learner: Learner = build_learner(self._config, self._pool, Stop())

    def rounds(self, strategies: list[str]) -> Iterator[dict[str, Any]]:
        """The comparisons of each round."""
        size, gold = self._config.queue.batch_size, self._pool
        items = self._learner.first_batch(size, round=0, exclude=()).items
        targets: dict[str, Any] = {}
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
        parts = [rng.choice(len(self._pool), half, replace=False) for _ in range(HALVES)]
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
                "shared": len(set(screened.tolist()) & set(exact.tolist())),
            }

    def _chosen(self, scores: Any, strategy: str, targets: Targets, left_out: Any) -> Any:
        positions = np.array(sorted(self._pool.positions[each] for each in targets))
        records = self._pool.records
        y = self._problem.encode([targets[records[place].id] for place in positions])
        section = StrategySection(name=strategy)
        with seeding.seeded(0):
            chosen, _ = choosing.query(
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


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares by strategy."""
    found = {}
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        own = [row for row in rows if row["strategy"] == strategy]
        equal = sum(row["equal"] for row in own)
        found[strategy] = {"batches": len(own), "equal": equal, "share": equal / len(own)}
    return found


def main() -> None:
    """Parse the arguments and go on where it was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path, help="folder made by make_sets.py")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--strategies", default="auto,margin")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: all")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = load_config(arguments.set / "config.yaml")
    stopping = config.stopping.model_copy(update={"max_rounds": arguments.rounds})
    config = config.model_copy(update={"stopping": stopping})
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    seeds: dict[str, list[dict[str, Any]]] = known.get("seeds", {})
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            if str(seed) in seeds:
                continue
            run = Run(config, seed, Path(folder))
            rows: list[dict[str, Any]] = []
            for row in run.rounds(arguments.strategies.split(",")):
                rows.append(row)
                print(json.dumps({"seed": seed, **row}), flush=True)
            seeds[str(seed)] = rows
            write(arguments.set.name, seeds)
    write(arguments.set.name, seeds)


def write(name: str, seeds: dict[str, list[dict[str, Any]]]) -> None:
    """Write what is known."""
    rows = [row for found in seeds.values() for row in found]
    figures = {"set": name, "machine": machine.described(), "summary": summary(rows)}
    RESULTS.write_text(json.dumps({**figures, "seeds": seeds}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures["summary"]), flush=True)


if __name__ == "__main__":
    main()
