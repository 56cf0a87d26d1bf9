"""Several labels for each text: known numbers, intervals, and what is missing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from loopd.errors import DataError
from loopd.evaluation.multi_label import multi_label_metrics

LABELS = ("joy", "anger", "fear")


def test_known_values() -> None:
    gold = [("joy",), ("joy", "anger"), (), ("anger",)]
    guess = [("joy",), ("joy",), (), ("anger", "fear")]
    found = multi_label_metrics(gold, guess, LABELS)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    assert found["f1.joy"] == 1
    assert found["f1.anger"] == pytest.approx(2 / 3)
    assert found["f1.fear"] == 0
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["accuracy"] == 0.5
    assert found["hamming_loss"] == pytest.approx(2 / 12)
    assert found["test_size"] == 4
    assert list(found)[:4] == ["micro_f1", "micro_f1_low", "micro_f1_high", "macro_f1"]
    json.dumps(found)


def test_a_label_that_never_occurs_is_left_out_of_the_mean() -> None:
    found = multi_label_metrics([("joy",), ("anger",)], [("joy",), ("anger",)], LABELS)
    assert found["macro_f1"] == 1
    assert found["f1.fear"] == 0


def test_nothing_given_and_nothing_predicted_is_right() -> None:
    found = multi_label_metrics([(), ()], [(), ()], LABELS)
    assert found["micro_f1"] == found["macro_f1"] == found["accuracy"] == 1
    assert found["hamming_loss"] == 0
    assert multi_label_metrics([()], [("joy",)], LABELS)["micro_f1"] == 0


def test_the_interval_is_that_of_drawing_texts_again() -> None:
    rng = np.random.default_rng(1)
    gold = [("joy",) if rng.random() < 0.5 else ("anger", "fear") for _ in range(400)]
    guess = [each if rng.random() < 0.7 else ("joy",) for each in gold]
    found = multi_label_metrics(gold, guess, LABELS)
    assert found["micro_f1_low"] < found["micro_f1"] < found["micro_f1_high"]
    # By the delta method for the ratio 2 hits / (given + predicted) of sums over texts.
    hits = np.array([len({*a} & {*b}) for a, b in zip(gold, guess, strict=True)])
    either = np.array([len(a) + len(b) for a, b in zip(gold, guess, strict=True)])
    error = np.std(2 * hits - found["micro_f1"] * either) / (math.sqrt(400) * either.mean())
    width = found["micro_f1_high"] - found["micro_f1_low"]
    assert width == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert found == multi_label_metrics(gold, guess, LABELS)
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="compare"):
        multi_label_metrics([], [], LABELS)
    with pytest.raises(DataError, match="compare"):
        multi_label_metrics([("joy",)], [], LABELS)
    with pytest.raises(DataError, match="'bliss'"):
        multi_label_metrics([("bliss",)], [("joy",)], LABELS)
