"""Owns how unsure independent probabilities of several labels are; must not choose."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from loopd.errors import ModelError
from loopd.learning.arrays import Floats
from loopd.learning.protocols import HasThresholds, StrategyModel

Doubts: TypeAlias = NDArray[np.float64]

AGGREGATES = ("mean", "max")
"""How the doubts about a text's labels become one number."""


def thresholds(model: StrategyModel) -> Floats:
    """Probabilities (C,) from which on the classifier gives a label; one half if it has none."""
    own = model.thresholds if isinstance(model, HasThresholds) else None
    return np.full(model.num_classes, 0.5) if own is None else np.asarray(own)


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
