"""Owns how predictions of several labels for each text become flat numbers; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loopd.errors import DataError

SAMPLES = 1000
"""Bootstrap samples behind an interval."""

SEED = 0
"""Of the bootstrap, so that the same predictions always have the same interval."""

LabelTable: TypeAlias = NDArray[np.bool_]


def multi_label_metrics(
    gold: Sequence[tuple[str, ...]], predicted: Sequence[tuple[str, ...]], labels: Sequence[str]
) -> dict[str, float]:
    """Measure multi-label predictions.

    Args:
        gold: (n,) true labels of each text, maybe none.
        predicted: (n,) predicted labels, in the same order of texts.
        labels: all label names.

    Returns:
        ``micro_f1`` over all pairs of text and label, with its 95 % interval ``micro_f1_low`` and
        ``micro_f1_high`` (percentiles of a seeded bootstrap over texts); ``macro_f1`` over the
        labels that occur in either; ``accuracy``, the share of texts whose set of labels is exactly
        right, with its 95 % Wilson interval ``accuracy_low`` and ``accuracy_high``;
        ``hamming_loss``, the share of wrong pairs; ``test_size``; and ``f1.<label>`` for each label
        (0.0 for one that never occurs). All but the intervals are scikit-learn's. Where no text
        has a label and none is predicted, F1 is 1: nothing is wrong.

    Raises:
        DataError: there is nothing to measure on, or a label that is not among ``labels``.
    """
    from scipy.stats import binomtest
    from sklearn.metrics import accuracy_score, f1_score, hamming_loss

    if not gold or len(gold) != len(predicted):
        raise DataError(f"cannot compare {len(predicted)} predictions with {len(gold)} texts")
    true, guess = _table(gold, labels), _table(predicted, labels)
    right = int(accuracy_score(true, guess, normalize=False))
    interval = binomtest(right, len(gold)).proportion_ci(0.95, method="wilson")
    by_label = f1_score(true, guess, average=None, zero_division=0.0)
    occurring = (true | guess).any(axis=0)
    low, high = _micro_interval(true, guess)
    return {
        "micro_f1": float(f1_score(true, guess, average="micro", zero_division=1.0)),
        "micro_f1_low": low,
        "micro_f1_high": high,
        "macro_f1": float(by_label[occurring].mean()) if occurring.any() else 1.0,
        "accuracy": right / len(gold),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "hamming_loss": float(hamming_loss(true, guess)),
        "test_size": len(gold),
        **{f"f1.{label}": float(value) for label, value in zip(labels, by_label, strict=True)},
    }


def _table(sets: Sequence[tuple[str, ...]], labels: Sequence[str]) -> LabelTable:
    """Zeros and ones (n, C)."""
    number = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(sets), len(labels)), dtype=bool)
    for row, some in enumerate(sets):
        unknown = next((label for label in some if label not in number), None)
        if unknown is not None:
            raise DataError(f"{unknown!r} is none of the labels")
        table[row, [number[label] for label in some]] = True
    return table


def _micro_interval(true: LabelTable, guess: LabelTable) -> tuple[float, float]:
    """95 % interval of micro F1 over texts drawn with replacement (Efron 1979)."""
    rng = np.random.default_rng(SEED)
    counts = np.stack([(true & guess).sum(axis=1), true.sum(axis=1) + guess.sum(axis=1)], axis=1)
    size = len(counts)
    sums = [counts[rng.integers(size, size=size)].sum(axis=0) for _ in range(SAMPLES)]
    hits, either = np.array(sums, dtype=np.float64).T
    f1 = np.where(either > 0, 2 * hits / np.maximum(either, 1), 1.0)
    low, high = np.quantile(f1, [0.025, 0.975])
    return float(low), float(high)
