"""How long people wait: from the last label of a batch to the next batch that is chosen.

    python benchmarks/turnaround.py SET [--labels 20 140 260] [--threads N] [--whole-512]

SET is a folder with ``pool.jsonl`` and ``test.jsonl`` (``text``, ``label``), as ``make_sets.py``
writes them. Both arms have the same labelled texts and choose 20 of the same pool, in this one
process. loopd's arm is what the daemon does with its default settings between two batches: train,
predict the test set and the stop set, choose. The public recipe's arm (see ``public_recipe.py``) is
train and choose only, which favours it.

At padding 512 the recipe takes many minutes a round. Unless ``--whole-512`` is given, one of its
ten epochs is trained and a sample of the pool is scored, and both are scaled up; padding 64 is
measured both ways, which shows how good such scaling is. Writes
``benchmarks/results/turnaround.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import torch
from numpy.typing import NDArray
from public_recipe import PublicRecipe

from loopd.config import ClassifierSection, DataSection, StoppingSection, StrategySection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.classifiers.source import locate
from loopd.learning.learner import Learner

BATCH = 20
EPOCHS = 10
SAMPLE = 300

Positions = NDArray[np.int64]


def labelled(pool: Pool, count: int, seed: int = 0) -> Positions:
    """The texts that both arms have the labels of: random ones, of at least two classes."""
    return np.random.default_rng(seed).permutation(len(pool))[:count]


class Loopd:
    """loopd's arm: a learner with the default settings, ready (tokenised, encoder loaded)."""

    accuracy: float
    """Of the last turn's model on the test set."""

    def __init__(
        self, pool: Pool, test: Pool, threads: int, cache: Path, *, device: str = "auto"
    ) -> None:
        self.pool, self.test = pool, test
        self.labels = tuple(sorted({str(record.gold) for record in pool}))
        self.learner = Learner(
            pool,
            self.labels,
            classifier=ClassifierSection(threads=threads, device=device),
            strategy=StrategySection(),
            seed=0,
            cache=cache,
        )
        size = min(StoppingSection().stop_set_size, len(pool))
        self.stop_set = [record.id for record in pool.records[:size]]
        self.learner.first_batch(BATCH, round=1, exclude=())

    def turn(self, positions: Positions, round: int) -> dict[str, float]:  # noqa: A002
        """Seconds of each part of one turn."""
        records = [self.pool.records[place] for place in positions]
        targets = {record.id: record.gold or "" for record in records}
        train, model = machine.timed(lambda: self.learner.fit(round, targets))
        stop, _ = machine.timed(lambda: self.learner.predict_pool(model, self.stop_set))
        test, proba = machine.timed(lambda: self.learner.predict_proba(model, self.test))
        guesses = [self.labels[best] for best in np.argmax(proba, axis=1)]
        right = [guess == record.gold for guess, record in zip(guesses, self.test, strict=True)]
        self.accuracy = float(np.mean(right))
        choose, _ = machine.timed(
            lambda: self.learner.choose(model, BATCH, round=round + 1, targets=targets, exclude=())
        )
        return {
            "train": train,
            "stop_set": stop,
            "test_set": test,
            "choose": choose,
            "total": train + stop + test + choose,
        }


def whole(recipe: PublicRecipe, positions: Positions, y: NDArray[np.int64]) -> dict[str, float]:
    """Seconds of the recipe's turn, all of it."""
    train, learner = machine.timed(lambda: recipe.fit(positions, y, 0))
    choose, _ = machine.timed(lambda: learner.query(num_samples=BATCH))
    return {"train": train, "choose": choose, "total": train + choose}


def scaled(
    texts: list[str], num_classes: int, padding: int, known: tuple[Positions, NDArray[np.int64]]
) -> dict[str, float]:
    """The same from one epoch and a sample of the pool."""
    positions, y = known
    others = np.setdiff1d(np.arange(len(texts)), positions)[:SAMPLE]
    some = [texts[place] for place in (*positions, *others)]
    model = locate("packaged")
    recipe = PublicRecipe(some, num_classes, model, padding=padding, epochs=1)
    train, learner = machine.timed(lambda: recipe.fit(np.arange(len(positions)), y, 0))
    choose, _ = machine.timed(lambda: learner.query(num_samples=BATCH))
    train, choose = train * EPOCHS, choose * len(texts) / len(some)
    return {"train": train, "choose": choose, "total": train + choose}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 140, 260])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--whole-512", action="store_true", help="measure padding 512 in full")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    figures: dict[str, Any] = {"machine": machine.described(), "threads": arguments.threads}
    pool, _ = read_pool(DataSection(path=arguments.set / "pool.jsonl", label="label"), labels=None)
    test, _ = read_pool(DataSection(path=arguments.set / "test.jsonl", label="label"), labels=None)
    texts, names = list(pool.texts), sorted({str(record.gold) for record in pool})
    gold = np.array([names.index(str(record.gold)) for record in pool])
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        ours = Loopd(pool, test, arguments.threads, Path(folder) / "cache")
        small = PublicRecipe(texts, len(names), locate("packaged"), padding=64)
        wide = None
        if arguments.whole_512:
            wide = PublicRecipe(texts, len(names), locate("packaged"), padding=512)
        for number, count in enumerate(arguments.labels, start=1):
            places = labelled(pool, count)
            known = places, gold[places]
            turn = {
                "loopd": ours.turn(places, number),
                "padding 64": whole(small, *known),
                "padding 64, scaled": scaled(texts, len(names), 64, known),
            }
            if wide is not None:
                turn["padding 512"] = whole(wide, *known)
            else:
                turn["padding 512, scaled"] = scaled(texts, len(names), 512, known)
            figures[str(count)] = turn
            report(count, turn)
    print(machine.write("turnaround", figures))


def report(count: int, turn: dict[str, dict[str, float]]) -> None:
    """One line for each arm, with its ratio to loopd's."""
    base = turn["loopd"]["total"]
    for name, seconds in turn.items():
        parts = ", ".join(f"{part} {value:.1f}" for part, value in seconds.items())
        print(
            f"{count:4d} labels  {name:20s} {seconds['total'] / base:6.1f} x   {parts} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
