"""Metrics: flat, exact, and defined when a class is missing."""

from __future__ import annotations

import json
import math

import pytest

from loopd.errors import DataError
from loopd.evaluation.metrics import classification_metrics, confusion


def test_known_values() -> None:
    found = classification_metrics(["a", "a", "b", "c"], ["a", "b", "b", "b"], ("a", "b", "c"))
    assert found["accuracy"] == 0.5
    assert found["test_size"] == 4
    assert found["f1.a"] == pytest.approx(2 / 3)
    assert found["f1.b"] == pytest.approx(0.5)
    assert found["f1.c"] == 0
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.5) / 3)
    json.dumps(found)


def test_wilson_interval() -> None:
    found = classification_metrics(["a"] * 90 + ["b"] * 10, ["a"] * 100, ("a", "b"))
    z, p, n = 1.959963985, 0.9, 100
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found["accuracy_low"] == pytest.approx(centre - half)
    assert found["accuracy_high"] == pytest.approx(centre + half)


def test_a_label_that_never_occurs_is_zero_and_not_in_the_mean() -> None:
    found = classification_metrics(["a", "b"], ["a", "b"], ("a", "b", "ghost"))
    assert found["f1.ghost"] == 0
    assert found["macro_f1"] == 1


@pytest.mark.parametrize(("gold", "predicted"), [([], []), (["a"], [])])
def test_nothing_to_compare_is_refused(gold: list[str], predicted: list[str]) -> None:
    with pytest.raises(DataError):
        classification_metrics(gold, predicted, ("a", "b"))


def test_confusion_counts_pairs_and_leaves_out_what_never_occurs() -> None:
    gold, predicted = ["a", "b", "b", "b", "a"], ["a", "a", "b", "a", "a"]
    assert confusion(gold, predicted) == (("a", "a", 2), ("b", "a", 2), ("b", "b", 1))
    assert confusion([("a",)], [("b",)]) == ()
