"""What the public recipe learns from the same labels: its accuracy along a run.

    python benchmarks/public_curve.py SET [--seeds 5] [--rounds 13] [--threads N]

SET is a folder with ``pool.jsonl`` and ``test.jsonl`` (``text``, ``label``), as ``make_sets.py``
writes them. Each seed begins with the batch with which `loopd simulate` begins at its default
settings, so that the curves are paired with loopd's; all later batches are the recipe's own choice
(BreakingTies, 20 at a time). Mini-batches are cut to their longest text, which changes nothing but
seconds (see ``public_recipe.py``); seconds come from ``turnaround.py``.

Writes ``benchmarks/results/public_curve.json`` after each round; started again, it goes on with the
seeds that are missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import torch
from public_recipe import PublicRecipe

from loopd.config import ClassifierSection, DataSection, StrategySection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.classifiers.source import locate
from loopd.learning.learner import Learner

BATCH = 20


def first_batch(pool: Pool, labels: tuple[str, ...], seed: int, cache: Path) -> list[int]:
    """Positions of the texts with which a default run of this seed begins."""
    learner = Learner(
        pool,
        labels,
        classifier=ClassifierSection(),
        strategy=StrategySection(),
        seed=seed,
        cache=cache,
    )
    choice = learner.first_batch(BATCH, round=0, exclude=())
    return [pool.positions[item.record_id] for item in choice.items]


class Curve:
    """The recipe over one pool and test set."""

    def __init__(self, pool: Pool, test: Pool, labels: tuple[str, ...]) -> None:
        self.y = np.array([labels.index(record.gold or "") for record in pool])
        self.gold = np.array([labels.index(record.gold or "") for record in test])
        texts = list(pool.texts)
        model = locate("packaged")
        self.recipe = PublicRecipe(texts, len(labels), model, padding=64, trimmed=True)
        self.test = self.recipe.dataset(list(test.texts))

    def accuracies(self, seed: int, known: list[int], rounds: int) -> list[dict[str, float]]:
        """Labels and accuracy after each round."""
        points = []
        for number in range(rounds):
            positions = np.array(sorted(known))
            fit = lambda places=positions: self.recipe.fit(places, self.y[places], seed)  # noqa: E731
            seconds, learner = machine.timed(fit)
            guessed = learner.classifier.predict(self.test)
            accuracy = float((guessed == self.gold).mean())
            points.append({"labels": len(known), "accuracy": accuracy, "fit_seconds": seconds})
            print(f"seed {seed}: {accuracy:.3f} at {len(known)} labels", flush=True)
            if number + 1 < rounds:
                known = [*known, *(int(place) for place in learner.query(num_samples=BATCH))]
        return points


def main() -> None:
    """Run the seeds that are missing, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    pool, _ = read_pool(DataSection(path=arguments.set / "pool.jsonl", label="label"), labels=None)
    test, _ = read_pool(DataSection(path=arguments.set / "test.jsonl", label="label"), labels=None)
    labels = tuple(sorted({str(record.gold) for record in pool}))
    path = machine.RESULTS / "public_curve.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    curves = known.get("seeds", {}) if known.get("pool") == pool.fingerprint else {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        cache = Path(folder) / "cache"
        starts = {seed: first_batch(pool, labels, seed, cache) for seed in range(arguments.seeds)}
        torch.set_num_threads(arguments.threads)
        curve = Curve(pool, test, labels)
        for seed, start in starts.items():
            if str(seed) not in curves:
                curves[str(seed)] = curve.accuracies(seed, start, arguments.rounds)
                figures = {"machine": machine.described(), "pool": pool.fingerprint}
                machine.write("public_curve", {**figures, "seeds": curves})
    for place in range(arguments.rounds):
        points = [curve[place] for curve in curves.values()]
        mean = np.mean([point["accuracy"] for point in points])
        print(f"{points[0]['labels']:4d} labels  {mean:.3f} (mean of {len(points)} seeds)")
    print(path)


if __name__ == "__main__":
    main()
