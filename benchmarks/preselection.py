"""What a round loses when the pool is narrowed before the transformer looks at it.

    python benchmarks/preselection.py SET [--seeds 3] [--rounds 10] [--shares 0.1 0.2] [--threads N]

SET is a folder with ``pool.jsonl`` and ``test.jsonl`` (``text``, ``label``), as ``make_sets.py``
writes them. Two questions, with the real learner:

- **recall**: along a run over the whole pool, how many of the 20 texts that the transformer would
  choose (breaking ties) are among the candidates, for each share of the pool (chance finds just
  that share);
- **accuracy**: of runs that are narrowed in each round, against the run over the whole pool, from
  the same first batches.

Writes ``benchmarks/results/preselection.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np

from loopd.config import ClassifierSection, DataSection, StrategySection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.learner import Learner, Model
from loopd.learning.preselect import ScoringLimit, preselect
from loopd.records import PoolId, Target, Targets

RESULTS = machine.RESULTS / "preselection.json"
BATCH = 20


@dataclass(frozen=True)
class Sets:
    """Pool, test set and label names."""

    pool: Pool
    test: Pool
    labels: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Sets:
        """Read both files of a folder."""
        pool, _ = read_pool(DataSection(path=folder / "pool.jsonl", label="label"), labels=None)
        test, _ = read_pool(
            DataSection(path=folder / "test.jsonl", label="label"), labels=None, require_gold=True
        )
        return cls(pool, test, tuple(sorted({str(record.gold) for record in pool})))

    def gold(self, ids: Sequence[PoolId]) -> dict[PoolId, Target]:
        """Known label by id."""
        return {id_: str(self.pool[id_].gold) for id_ in ids}

    def accuracy(self, learner: Learner, model: Model) -> float:
        """Share of the test set that the model gets right."""
        best = learner.predict_proba(model, self.test).argmax(axis=1)
        right = [self.labels[b] == r.gold for b, r in zip(best, self.test, strict=True)]
        return float(np.mean(right))


def learner_of(
    sets: Sets, seed: int, cache: Path, arguments: argparse.Namespace, share: float
) -> Learner:
    """A learner that looks at a share of the pool."""
    settings = ClassifierSection(name="transformer", threads=arguments.threads).model_dump()
    # The least value of the setting is meant for people; smaller pools are measured here.
    settings["candidates"] = round(len(sets.pool) * share)
    return Learner(
        sets.pool,
        sets.labels,
        classifier=ClassifierSection.model_construct(**settings),
        strategy=StrategySection(name="breaking_ties", cold_start="random_sampling"),
        seed=seed,
        cache=cache,
    )


def recalls(
    learner: Learner,
    model: Model,
    targets: Targets,
    picks: Sequence[PoolId],
    shares: Sequence[float],
) -> dict[str, float]:
    """Share of the picks among the candidates, for each size of these."""
    positions = np.array(sorted(learner._rows(targets)))
    wanted = [learner._pool.positions[id_] for id_ in picks]
    features = learner._trainer.factory.screening
    if features is None:
        raise ValueError("the classifier has no features to narrow the pool by")
    found = {}
    for share in shares:
        chosen = preselect(
            features,
            model.scores.of,
            positions,
            limit=ScoringLimit(round(len(learner._pool) * share)),
            seed=len(targets),
            interrupt=lambda: None,
        )
        found[str(share)] = float(np.isin(wanted, chosen.positions).mean())
    return found


def run(
    sets: Sets, seed: int, cache: Path, arguments: argparse.Namespace, share: float
) -> list[dict[str, Any]]:
    """One run; over the whole pool it also measures the recall."""
    learner = learner_of(sets, seed, cache, arguments, share)
    first = learner.first_batch(BATCH, round=0, exclude=())
    targets = sets.gold([item.record_id for item in first.items])
    rounds = []
    for number in range(1, arguments.rounds + 1):
        started = time.perf_counter()
        model = learner.fit(number, targets)
        fitted = time.perf_counter()
        chosen = learner.choose(model, BATCH, round=number + 1, targets=targets, exclude=())
        ended = time.perf_counter()
        learner.keep([model.id])
        picks = [item.record_id for item in chosen.items]
        figures: dict[str, Any] = {
            "labels": len(targets),
            "accuracy": sets.accuracy(learner, model),
            "fit, s": round(fitted - started, 2),
            "choose, s": round(ended - fitted, 2),
        }
        if share == 1:
            figures["recall"] = recalls(learner, model, targets, picks, arguments.shares)
        print(f"seed {seed}, {share:.0%} of the pool: {figures}", flush=True)
        rounds.append(figures)
        targets |= sets.gold(picks)
    return rounds


def summary(runs: dict[str, list[list[dict[str, Any]]]], shares: Sequence[float]) -> dict[str, Any]:
    """Means over seeds and rounds, and what narrowing loses, paired."""

    def areas(key: str) -> Any:
        return np.array([[each["accuracy"] for each in run] for run in runs[key]]).mean(axis=1)

    whole = areas("1.0")
    found: dict[str, Any] = {"mean accuracy, whole pool": round(float(whole.mean()), 4)}
    for share in shares:
        difference = areas(str(float(share))) - whole
        recall = [each["recall"][str(share)] for run in runs["1.0"] for each in run]
        spread = difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else None
        choosing = [
            sum(each["choose, s"] for run in runs[key] for each in run)
            for key in ("1.0", str(float(share)))
        ]
        found[f"{share:.0%} of the pool"] = {
            "recall of the true top 20, mean": round(float(np.mean(recall)), 4),
            "recall, least": min(recall),
            "mean accuracy minus whole pool": round(float(difference.mean()), 4),
            "standard error": None if spread is None else round(float(spread), 4),
            "times faster choosing": round(choosing[0] / choosing[1], 1),
        }
    return found


def main() -> None:
    """Run all seeds and shares, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    sets = Sets.read(arguments.set)
    runs: dict[str, list[list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for share in (1.0, *map(float, arguments.shares)):
            for seed in range(arguments.seeds):
                runs.setdefault(str(share), []).append(
                    run(sets, seed, Path(cache), arguments, share)
                )
    results = {
        "machine": machine.described(),
        "set": arguments.set.name,
        "pool": len(sets.pool),
        "summary": summary(runs, arguments.shares),
        "runs": runs,
    }
    machine.write(arguments.results.stem, results, arguments.results.parent)
    print(json.dumps(results["summary"], indent=2))


if __name__ == "__main__":
    main()
