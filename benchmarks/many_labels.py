"""What it costs, in seconds and accuracy, not to fine-tune in every round of many labels.

    python benchmarks/many_labels.py SET [--labels 1000] [--grown 0.09] [--seeds 3] [--threads N]
        [--model FOLDER] [--max-steps N] [--beside frozen-head tfidf small-text]

SET is a folder as ``make_sets.py`` writes it, with ``pool.jsonl`` and ``test.jsonl``. For each seed
so many texts are drawn, and a tenth more (``--grown``). Two models learn from all of them: one
fine-tunes on them, the other keeps the encoder that was fine-tuned on the first and fits its head
alone, as rounds do in between. With ``--beside`` other classifiers learn from all of them, too:
``tfidf`` is scikit-learn's logistic regression, ``small-text`` its fine-tuning of the same encoder.
Seconds are those of the fit, and the pool is encoded before; ``choosing`` is what the next batch
takes besides, with the default strategy, after fine-tuning and after fitting the head alone.
Another encoder and ``max_steps`` of fine-tuning make it quicker. What is measured stays in
``benchmarks/results/many_labels.json``: only what is missing there is measured, so a run that was
cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
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

Row = dict[str, Any]

BATCH = 20
"""Texts that are chosen with the head alone."""

OTHERS: dict[str, dict[str, Any]] = {
    "frozen-head": {"name": "frozen-head"},
    "tfidf": {"name": "tfidf"},
    "small-text": {
        "name": "small_text:TransformerBasedClassification",
        "options": {"num_epochs": 10, "lr": 2e-5, "mini_batch_size": 12},
    },
}
"""What can be measured beside loopd's default; small-text's as its defaults are."""


def one_seed(pool: Pool, test: Pool, known: Row, arguments: argparse.Namespace) -> Row:
    """What is known of a seed, and accuracy and seconds of each model that is not known yet."""
    order = np.random.default_rng(known["seed"]).permutation(len(pool))
    grown = round(arguments.labels * (1 + arguments.grown))
    records = [pool.records[row] for row in order[:grown]]
    targets: dict[PoolId, Target] = {record.id: str(record.gold) for record in records}
    row = known | {"labels": grown}
    if "fine-tuned" not in row:
        first = dict(list(targets.items())[: arguments.labels])
        with learner_of(pool, row["seed"], section(arguments)) as learner:
            row |= both_ways(learner, test, first, targets)
    for name in set(arguments.beside) - row.keys():
        other = ClassifierSection(**OTHERS[name], threads=arguments.threads)
        with learner_of(pool, row["seed"], other) as learner:
            row[name] = measured(learner, test, partial(learner.fit, 2, targets))
    return row


def both_ways(
    learner: Learner, test: Pool, first: Mapping[PoolId, Target], grown: Mapping[PoolId, Target]
) -> Row:
    """The head alone over the encoder of the first texts, and everything anew."""
    before = learner.fit(1, first)
    told = {"labels": len(first), "accuracy": accuracy(learner, before, test)}
    told["choosing"] = choosing(learner, before, first)
    tuned = Tuned(before.id, 1, lambda: first)
    alone = measured(learner, test, partial(learner.fit, 2, grown, encoder=tuned))
    alone["choosing"] = choosing(learner, learner.fit(2, grown, encoder=tuned), grown)
    return {
        "before": told,
        "head alone": alone,
        "fine-tuned": measured(learner, test, partial(learner.fit, 2, grown)),
    }


def choosing(learner: Learner, model: Model, targets: Mapping[PoolId, Target]) -> float:
    """Seconds that the next batch takes."""
    choose = partial(learner.choose, model, BATCH, targets=targets, exclude=set(targets))
    return machine.timed(partial(choose, round=model.round + 1))[0]


@contextmanager
def learner_of(pool: Pool, seed: int, classifier: ClassifierSection) -> Iterator[Learner]:
    """A learner with everything that is no part of a fit behind it."""
    with tempfile.TemporaryDirectory() as cache:
        learner = Learner(
            pool,
            tuple(sorted({str(record.gold) for record in pool})),
            classifier=classifier,
            strategy=StrategySection(),
            seed=seed,
            cache=Path(cache),
        )
        learner.check()
        if classifier.name in ("transformer", "frozen-head"):
            learner.vectors([pool.records[0].id])
        yield learner


def measured(learner: Learner, test: Pool, fit: Callable[[], Model]) -> Row:
    """Seconds of a fit, and accuracy of what comes of it."""
    seconds, model = machine.timed(fit)
    return {"seconds": seconds, "accuracy": accuracy(learner, model, test)}


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
    parser.add_argument("--beside", nargs="*", choices=OTHERS, default=[], help="also measured")
    arguments = parser.parse_args()
    files = [arguments.set / f"{name}.jsonl" for name in ("pool", "test")]
    pool, test = (
        read_pool(DataSection(path=file, label="label"), labels=None)[0] for file in files
    )
    path = machine.RESULTS / "many_labels.json"
    figures: Row = json.loads(path.read_text("utf-8")) if path.exists() else {}
    others = [Path(arguments.model).name] if arguments.model else []
    others += [f"{arguments.max_steps} steps"] if arguments.max_steps else []
    name = "/".join([arguments.set.name, str(arguments.labels), *others])
    rows = {row["seed"]: row for row in figures.get(name, {}).get("rounds", [])}
    for seed in range(arguments.seeds):
        rows[seed] = one_seed(pool, test, rows.get(seed, {"seed": seed}), arguments)
        print(rows[seed], flush=True)
        around = {"machine": machine.described(), "threads": arguments.threads}
        figures[name] = {**around, "rounds": list(rows.values())}
        machine.write("many_labels", figures)


if __name__ == "__main__":
    main()
