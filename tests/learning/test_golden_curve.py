"""Learning curves with a fixed seed, as they were when they were written down.

A change of one is a change of what loopd chooses or learns. Write it down only if it was meant to
be: ``OPENBLAS_CORETYPE=Haswell python -m tests.learning.test_golden_curve`` prints the curves of
the code as it is, with the kernels for linear algebra that tests take (see ``tests/conftest.py``).
With those for AVX-512 the curves of ``auto`` are others from the fourth round on: texts that are
equally good are told apart by last bits.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.evaluation.metrics import classification_metrics
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record, Target
from tests.learning.conftest import FILLERS, LABELS, WORDS

FIRST, BATCH, ROUNDS = 8, 6, 6
SEED = 11

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "tfidf": {"ngrams": 1},
    "frozen-head": {"layers": [-1, -3], "dimensions": 64, "bf16": False},
}

CURVES: Mapping[tuple[str, str], tuple[float, ...]] = {
    ("tfidf", "auto"): (0.5067, 0.5467, 0.6133, 0.7, 0.84, 0.8933),
    ("tfidf", "random_sampling"): (0.5067, 0.54, 0.6533, 0.7067, 0.7333, 0.78),
    ("frozen-head", "auto"): (0.6067, 0.76, 0.8067, 0.8933, 0.9733, 0.9867),
    ("frozen-head", "random_sampling"): (0.6067, 0.7067, 0.7, 0.7733, 0.7667, 0.8067),
}
"""Accuracy on the test texts after 8, 14, 20, 26, 32 and 38 labels."""

PICKS: Mapping[str, tuple[str, ...]] = {
    "auto": ("1-003", "1-085", "1-022", "1-076", "1-156", "1-057"),
    "random_sampling": ("1-090", "1-016", "1-021", "1-010", "1-050", "1-127"),
}
"""The last batch that each strategy chose with ``tfidf``."""


def texts(count: int, seed: int) -> Pool:
    """Texts with two words of their label and one of another, which a model must learn to weigh."""
    rng = np.random.default_rng(seed)
    records: dict[str, Record] = {}
    while len(records) < count:
        gold, other = rng.choice(LABELS, size=2, replace=False)
        words = [*rng.choice(WORDS[gold], size=2, replace=False), rng.choice(WORDS[other])]
        text = f"{rng.choice(FILLERS)} {', '.join(rng.permutation(words))}"
        records.setdefault(text, Record(PoolId(f"{seed}-{len(records):03d}"), text, str(gold)))
    return Pool(tuple(records.values()))


def curve(classifier: str, strategy: str, cache: Path) -> tuple[list[float], tuple[str, ...]]:
    """Accuracy after each round, and the last batch."""
    pool, test = texts(200, 1), texts(150, 2)
    gold = [str(record.gold) for record in test.records]
    learner = Learner(
        pool,
        LABELS,
        classifier=ClassifierSection(name=classifier, options=dict(OPTIONS[classifier])),
        strategy=StrategySection(name=strategy),
        seed=SEED,
        cache=cache,
    )
    items = learner.first_batch(FIRST, round=0, exclude=()).items
    targets: dict[PoolId, Target] = {}
    accuracy = []
    for number in range(1, ROUNDS + 1):
        targets |= {item.record_id: str(pool[item.record_id].gold) for item in items}
        model = learner.fit(number, targets)
        predicted = [str(label) for label in learner.predict(model, test)]
        accuracy.append(classification_metrics(gold, predicted, LABELS)["accuracy"])
        choice = learner.choose(model, BATCH, round=number, targets=targets, exclude=())
        items = choice.items
    return accuracy, tuple(item.record_id for item in items)


@pytest.mark.parametrize("strategy", ["auto", "random_sampling"])
def test_a_curve_without_an_encoder_is_as_it_was(strategy: str, tmp_path: Path) -> None:
    accuracy, last_batch = curve("tfidf", strategy, tmp_path)
    assert accuracy == pytest.approx(CURVES["tfidf", strategy], abs=1e-4)
    assert last_batch == PICKS[strategy]


@pytest.mark.integration
@pytest.mark.parametrize("strategy", ["auto", "random_sampling"])
def test_a_curve_over_a_frozen_encoder_is_as_it_was(strategy: str, tmp_path: Path) -> None:
    """Another processor's last bits may move a text or two."""
    accuracy, _ = curve("frozen-head", strategy, tmp_path)
    assert accuracy == pytest.approx(CURVES["frozen-head", strategy], abs=0.014)


def test_choosing_is_worth_it_on_the_stored_curves() -> None:
    """What the numbers say: a stored curve that says something else is a mistake."""
    for classifier in OPTIONS:
        auto, random = (np.mean(CURVES[classifier, name]) for name in ("auto", "random_sampling"))
        assert auto > random


if __name__ == "__main__":
    for classifier in OPTIONS:
        for strategy in ("auto", "random_sampling"):
            with tempfile.TemporaryDirectory() as folder:
                accuracy, last_batch = curve(classifier, strategy, Path(folder))
                rounded = [round(value, 4) for value in accuracy]
                sys.stdout.write(f"{classifier} {strategy} {rounded} {last_batch}\n")
