"""What the head that predicts gains over the head that chooses, on the texts that the loop chooses.

    python benchmarks/heads.py SET... [--seeds 5] [--rounds 3] [--vectors DIR] [--threads N]

SET is a folder as ``make_sets.py`` writes them, with one label for each text. The choosing head is
the one of ``spread: 0``, so one run with it gives the texts of both, and the figures are paired
text for text: after each batch of 20 the same encoder gets a head of the answers alone and one of
answers and guesses, and both are measured on the test set. With ``--vectors`` the vectors of each
round are kept, so that the next call measures other settings of spreading in
seconds.

Writes ``benchmarks/results/heads.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from preselection import BATCH, Sets
from scipy.stats import t

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.heads import Heads
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.classifiers.spreading import Examples, Spreading, unlabelled
from loopd.learning.learner import Learner, Model
from loopd.learning.unit_vectors import unit
from loopd.records import PoolId, Target, Targets

RESULTS = machine.RESULTS / "heads.json"
HEAD_C = 10.0


@dataclass(frozen=True)
class Round:
    """What both heads of one round are fitted on and measured on.

    Attributes:
        labelled: (n, d) vectors with classes ``y`` (n,).
        others: (m, d) of unlabelled texts.
        test: (k, d) with classes ``gold`` (k,).
        classes: number of labels.
    """

    labelled: Vectors
    y: Positions
    others: Vectors
    test: Vectors
    gold: Positions
    classes: int

    def heads(self, guess_weight: float) -> Heads:
        """Both heads."""
        examples = Examples(self.labelled, self.y)
        return Heads.fitted(examples, lambda: self.others, guess_weight, self.head)

    def head(self, examples: Examples) -> LinearHead:
        """A head of some examples."""
        return fit_head(
            examples.vectors, examples.y, self.classes, c=HEAD_C, weights=examples.weights
        )

    def judged(self, head: LinearHead) -> tuple[float, float]:
        """Share of the test texts that a head gets right, and the Brier score of all of them."""
        proba = head.proba(self.test)
        squares = (proba - np.eye(self.classes)[self.gold]) ** 2
        right = proba.argmax(axis=1) == self.gold
        return round(float(right.mean()), 4), round(float(squares.sum(axis=1).mean()), 4)


def embedded(learner: Learner, model: Model, sets: Sets, targets: Targets, texts: int) -> Round:
    """The vectors of a round, as the classifier makes them."""
    classifier: Any = model.scores.classifier
    factory: Any = learner._trainer.factory
    pool, test = learner._dataset(sets.pool), learner._dataset(sets.test)
    positions, y = learner._sets.aligned(targets)

    def vectors(dataset: Any, rows: Positions, *, bf16: bool = False) -> Vectors:
        embedder = factory.embedder(classifier.encoder, dataset.features, "measuring")
        return unit(embedder.embed(rows, bf16=bf16))

    rows = unlabelled(len(sets.pool), positions, texts)
    return Round(
        vectors(pool, positions),
        np.asarray(y),
        vectors(pool, rows, bf16=factory.bf16),
        vectors(test, np.arange(len(sets.test))),
        np.array([sets.labels.index(str(record.gold)) for record in sets.test]),
        len(sets.labels),
    )


def run(sets: Sets, seed: int, cache: Path, arguments: argparse.Namespace) -> Iterator[Round]:
    """The rounds of one run."""
    section = ClassifierSection(
        name="transformer", threads=arguments.threads, options={"spread": 0}
    )
    learner = Learner(
        sets.pool,
        sets.labels,
        classifier=section,
        strategy=StrategySection(),
        seed=seed,
        cache=cache,
    )
    chosen = learner.first_batch(BATCH, round=0, exclude=())
    targets: dict[PoolId, Target] = {}
    for number in range(arguments.rounds):
        targets |= sets.gold([item.record_id for item in chosen.items])
        if not learner.can_fit(targets):
            chosen = learner.first_batch(BATCH, round=number + 1, exclude=(), targets=targets)
            continue
        model = learner.fit(number, targets)
        yield embedded(learner, model, sets, targets, arguments.texts)
        if number + 1 < arguments.rounds:
            chosen = learner.choose(model, BATCH, round=number + 1, targets=targets, exclude=())
        learner.keep([model.id])


def cut(sets: Sets, size: int) -> Sets:
    """The sets with so many texts of the pool, the same in all runs."""
    records = sets.pool.records
    rows = np.sort(np.random.default_rng(0).permutation(len(records))[:size])
    return replace(sets, pool=Pool(tuple(records[row] for row in rows)))


def kept(sets: Path, seed: int, cache: Path, arguments: argparse.Namespace) -> list[Round]:
    """The rounds of one run, from the folder of vectors where they are all there."""
    name = f"{sets.name}-{seed}"
    if arguments.vectors is not None:
        stored = sorted(arguments.vectors.glob(f"{name}-*.npz"))
        if len(stored) >= arguments.rounds:
            rounds = sorted(map(read, stored), key=lambda each: len(each.y))
            return rounds[: arguments.rounds]
    rounds = list(run(cut(Sets.read(sets), arguments.pool), seed, cache, arguments))
    if arguments.vectors is not None:
        arguments.vectors.mkdir(parents=True, exist_ok=True)
        for each in rounds:
            np.savez(arguments.vectors / f"{name}-{len(each.y)}.npz", **asdict(each))
    return rounds


def read(path: Path) -> Round:
    """A round whose vectors were kept."""
    with np.load(path) as file:
        return Round(**{**file, "classes": int(file["classes"])})


def measured(rounds: Sequence[Round], spreading: Spreading) -> list[dict[str, Any]]:
    """Accuracy and Brier score of both heads in each round."""
    figures = []
    for each in rounds:
        heads = each.heads(spreading.weight(len(each.y)))
        choosing, before = each.judged(heads.choosing)
        predicting, after = each.judged(heads.predicting)
        figures.append(
            {
                "labels": len(each.y),
                "choosing": choosing,
                "predicting": predicting,
                "Brier score, choosing": before,
                "Brier score, predicting": after,
            }
        )
    return figures


def mean(name: str, rounds: Sequence[dict[str, Any]]) -> float:
    """Of one figure over the seeds."""
    return round(float(np.mean([each[name] for each in rounds])), 4)


def summary(runs: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Means over the seeds, and half of the 95 % interval of the gain, for each round."""
    lines = []
    for rounds in zip(*runs, strict=True):
        gains = np.array([each["predicting"] - each["choosing"] for each in rounds])
        line = {
            "labels": rounds[0]["labels"],
            "choosing": mean("choosing", rounds),
            "gain": round(float(gains.mean()), 4),
            "Brier score, choosing": mean("Brier score, choosing", rounds),
            "Brier score, predicting": mean("Brier score, predicting", rounds),
        }
        if len(gains) > 1:
            error = gains.std(ddof=1) / len(gains) ** 0.5
            line["plus or minus"] = round(float(t.ppf(0.975, len(gains) - 1) * error), 4)
        lines.append(line)
    return lines


def main() -> None:
    """Measure all sets, and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+", help="folders with pool and test.jsonl")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pool", type=int, default=6_000, help="texts of a pool at most")
    parser.add_argument("--texts", type=int, default=1200)
    parser.add_argument("--until", type=int, default=200)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--vectors", type=Path, help="folder that keeps vectors, or has them")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    spreading = Spreading(arguments.texts, arguments.until)
    found: dict[str, list[list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for seed in range(arguments.seeds):
            for folder in arguments.sets:
                rounds = kept(folder, seed, Path(cache) / folder.name, arguments)
                found.setdefault(folder.name, []).append(measured(rounds, spreading))
                print(folder.name, seed, found[folder.name][-1], flush=True)
    results = {
        "machine": machine.described(),
        "spread": arguments.texts,
        "spread_until": arguments.until,
        "pool at most": arguments.pool,
        "summary": {name: summary(runs) for name, runs in found.items()},
        "runs": found,
    }
    machine.write(arguments.results.stem, results, arguments.results.parent)
    print(json.dumps(results["summary"], indent=2))


if __name__ == "__main__":
    main()
