"""Owns how unsure independent probabilities of several labels are; must not choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import xlogy

from loopd.errors import ModelError

Floats = NDArray[np.floating[Any]]
Doubts = NDArray[np.float64]
Score = Callable[[NDArray[np.float32]], Doubts]

AGGREGATES = ("mean", "max")
"""How the doubts about a text's labels become one number."""


def several(y: Any) -> bool:
    """Whether texts may have several labels: small-text then keeps them in a sparse matrix."""
    return bool(issparse(y))


def thresholds(clf: Any) -> Floats:
    """Probabilities (C,) from which on the classifier gives a label; one half if it has none."""
    own = getattr(clf, "thresholds", None)
    return np.full(clf.num_classes, 0.5) if own is None else np.asarray(own)


def nearness(proba: Floats, least: Floats) -> Doubts:
    """Minus the distance of each probability (m, C) from its threshold (C,), in [-1, 0].

    Measured in the way to the end of the scale, 0 or 1, on that side of the threshold: a rare label
    with a threshold of 0.1 is as doubtful at 0.05 as one with 0.5 at 0.25.
    """
    proba = proba.astype(np.float64)
    way = np.where(proba < least, least, 1 - least)
    return np.asarray(-np.abs(proba - least) / np.maximum(way, 1e-6))


def improbability(proba: Floats) -> Doubts:
    """Probability (m, C) of the less likely of yes and no, in [0, 0.5]."""
    return np.minimum(proba, 1 - proba).astype(np.float64)


def binary_entropy(proba: Floats) -> Doubts:
    """Entropy (m, C) of yes and no, in nats."""
    proba = proba.astype(np.float64)
    return np.asarray(-xlogy(proba, proba) - xlogy(1 - proba, 1 - proba))


def aggregated(doubts: Doubts, how: str) -> Doubts:
    """One number (m,) for each row (m, C)."""
    return np.asarray(doubts.max(axis=1) if how == "max" else doubts.mean(axis=1))


def refuse_unknown_aggregate(how: str) -> None:
    """Check the option ``aggregate``.

    Raises:
        ModelError: it is none of ``AGGREGATES``.
    """
    if how not in AGGREGATES:
        raise ModelError(f"unknown aggregate {how!r}", f"known: {', '.join(AGGREGATES)}")
