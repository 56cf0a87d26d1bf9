"""Owns from which probability on a text gets a label; must not know texts or encoders.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from loopd.errors import ModelError
from loopd.learning.arrays import Floats, Mask, Proba, Weights
from loopd.learning.classifiers.linear import LinearHead
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.joined import behind
from loopd.learning.folds import out_of_fold
from loopd.learning.labels import several
from loopd.learning.protocols import Classifier

COMMON = 20.0
"""With so many examples a label's own threshold and the common one weigh the same."""


def with_thresholds(
    head: LinearHead,
    train_set: IndexedDataset,
    make: Callable[[int], Classifier],
    *,
    folds: int,
    seed: int,
    weights: Weights | None = None,
) -> LinearHead:
    """The head with thresholds from a cross-validation of its classifier.

    Args:
        head: trained on the rows.
        train_set: labelled rows; with one label for each the head comes back as it is. Rows that
            describe labels train in each fold; thresholds are those of the others.
        make: gives an untrained classifier of the same kind, without thresholds, for a seed.
        folds: of the cross-validation; 0 leaves the threshold at one half.
        seed: of the cross-validation.
        weights: (n,) sample weights of training.
    """
    y = train_set.y
    if not several(y) or folds == 0:
        return head
    described = behind(train_set.features, train_set.rows)
    answered = np.flatnonzero(~described)
    if not len(answered):
        return head
    proba = out_of_fold(train_set, make, folds=folds, seed=seed, weights=weights, always=described)
    return replace(head, thresholds=best_thresholds(proba, y[answered].toarray() > 0))


def best_thresholds(proba: Floats, labels: Mask) -> Proba:
    """Thresholds (C,) that give the best F1 on out-of-sample probabilities (n, C).

    The common threshold is the one with the best micro F1. A label's own is the one with its best
    F1; it weighs the more the more examples the label has. Of labels as rare as people's first few
    hundred answers have them, own thresholds alone lose up to two thirds of micro F1, and the
    common one alone a tenth of macro F1: docs/classifiers.md has the figures.

    Args:
        proba: (n, C).
        labels: (n, C) which a text has.
    """
    common = best_threshold(proba.ravel(), labels.ravel())
    if common is None:
        return np.full(proba.shape[1], 0.5, dtype=np.float32)
    columns = zip(proba.T, labels.T, strict=True)
    best = [best_threshold(of_label, has) for of_label, has in columns]
    own = np.array([common if threshold is None else threshold for threshold in best])
    examples = labels.sum(axis=0)
    mixed = (examples * own + COMMON * common) / (examples + COMMON)
    return np.asarray(mixed, dtype=np.float32)


def best_threshold(proba: Floats, positive: Mask) -> float | None:
    """The threshold with the best F1, half way to the next lower probability.

    Args:
        proba: (m,).
        positive: (m,) what should be at or above the threshold.

    Returns:
        ``None`` where none is better than another: nothing is positive, or only what has
        probability 0.
    """
    order = np.argsort(-proba, kind="stable")
    falling = proba[order].astype(np.float64)
    hits = np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(falling) + 1) + positive.sum())
    below = np.append(falling[1:], 0.0)
    f1[(falling <= 0) | (falling == below)] = 0  # no threshold lies between equal ones
    if not len(f1) or f1.max() <= 0:
        return None
    best = int(f1.argmax())
    return float((falling[best] + below[best]) / 2)


def refuse_bad_folds(folds: object) -> None:
    """Check the option ``threshold_folds``.

    Raises:
        ModelError: it is neither 0 nor a whole number above 1.
    """
    if not isinstance(folds, int) or isinstance(folds, bool) or folds < 0 or folds == 1:
        raise ModelError("classifier option threshold_folds must be 0 or a whole number above 1")
