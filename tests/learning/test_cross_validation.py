"""Predictions for labelled texts: by models that were not shown them, and no more than enough."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from loopd.learning import cross_validation
from loopd.learning.cross_validation import CrossPredictor
from loopd.learning.dataset import IndexedDataset
from loopd.records import Target


class Witness:
    """Remembers what it was trained on."""

    def __init__(self, trained: list[Witness]) -> None:
        trained.append(self)

    def fit(self, train_set: IndexedDataset) -> None:
        self.seen = frozenset(train_set.rows.tolist())


class Parts:
    """Factory and problem at once, as far as they are used."""

    labels = ("a", "b")

    def __init__(self, least: int = 1) -> None:
        self.trained: list[Witness] = []
        self.least = least

    def new(self, _seed: int) -> Witness:
        return Witness(self.trained)

    def can_fit(self, targets: Collection[Target]) -> bool:
        return len(set(targets)) >= self.least

    def predicted(self, classifier: Witness, dataset: IndexedDataset) -> list[Target]:
        assert classifier.seen.isdisjoint(dataset.rows.tolist())
        return [f"row {row}" for row in dataset.rows]


def predicted(parts: Any, size: int, folds: int = 5) -> dict[int, Target]:
    y = np.arange(size) % 2
    rows = 3 * np.arange(size)  # of a larger pool
    labelled = IndexedDataset(np.zeros((3 * size, 1)), y, np.arange(2), rows=rows)
    targets = [Parts.labels[label] for label in y]
    return CrossPredictor(parts.new, parts, 4).predicted(labelled, targets, folds)


@pytest.mark.parametrize("size", [2, 5, 23, 100])
def test_each_text_is_predicted_by_a_model_that_was_not_shown_it(size: int) -> None:
    parts = Parts()
    assert predicted(parts, size) == {row: f"row {3 * row}" for row in range(size)}
    assert len(parts.trained) == min(5, size)


def test_many_texts_cost_few_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "ENOUGH", 30)
    for size, trainings in ((30, 5), (60, 3), (100, 2), (150, 1), (1000, 1)):
        parts = Parts()
        guesses = predicted(parts, size)
        assert len(parts.trained) == trainings
        assert len(guesses) >= 30
        assert list(guesses) == sorted(guesses)


def test_what_is_too_much_alike_to_train_on_says_its_most_frequent_target() -> None:
    parts = Parts(least=3)
    assert set(predicted(parts, 20).values()) <= set(Parts.labels)
    assert parts.trained == []
