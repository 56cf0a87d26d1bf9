"""Owns the strategies that take what the model is least sure of; must not weigh anything else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from loopd.learning.arrays import Floats, Score
from loopd.learning.labels import Labels, several
from loopd.learning.protocols import StrategyModel
from loopd.learning.strategies.multi_label import (
    aggregated,
    binary_entropy,
    improbability,
    nearness,
    refuse_unknown_aggregate,
    thresholds,
)
from loopd.learning.strategies.strategy import QueryContext, ScoringStrategy


def margin(proba: Floats) -> NDArray[np.float64]:
    """Minus the margin between the two likeliest classes (m,), in [-1, 0]."""
    best = np.partition(proba, -2, axis=1)[:, -2:].astype(np.float64)
    return np.asarray(best[:, 0] - best[:, 1])


def largest(proba: Floats) -> NDArray[np.float64]:
    """Minus the probability of the likeliest class (m,), in [-1, 0]."""
    return np.asarray(-proba.max(axis=1), dtype=np.float64)


def entropy(proba: Floats) -> NDArray[np.float64]:
    """Entropy (m,) in nats."""
    return np.asarray(-xlogy(proba, proba).sum(axis=1, dtype=np.float64))


def margin_of(model: StrategyModel, y: Labels, aggregate: str) -> Score:
    """The score by margins, in [-1, 0], for one label or several as the labels so far are.

    Args:
        model: whose thresholds several labels are measured by.
        y: labels of the labelled records.
        aggregate: how the margins of several labels become one.
    """
    if not several(y):
        return margin
    least = thresholds(model)
    return lambda proba: aggregated(nearness(proba, least), aggregate)


class MarginSampling(ScoringStrategy):
    """Smallest margin between the two likeliest classes.

    With several labels, smallest margin between the probability of a label and its threshold.

    Paper: Scheffer et al. 2001; small-text's name is of Luo et al. 2005, JMLR 6 (breaking ties).
    Cost: scoring the pool. Needs: probabilities. Draws nothing. Scores: 1 - margin.

    Args:
        aggregate: of several labels, ``mean`` or ``max``.
    """

    offset = 1.0

    def __init__(self, aggregate: str = "mean") -> None:
        refuse_unknown_aggregate(aggregate)
        self.aggregate = aggregate

    def score(self, context: QueryContext) -> Score:
        """Minus the margin."""
        return margin_of(context.model, context.y, self.aggregate)

    def __str__(self) -> str:
        return "MarginSampling()"


class LeastConfidence(ScoringStrategy):
    """Least probable best class.

    With several labels, least probable better one of yes and no.

    Paper: Lewis and Gale 1994. Cost: scoring the pool. Needs: probabilities. Draws nothing.
    Scores: 1 - probability of the best class.

    Args:
        aggregate: of several labels, ``mean`` or ``max``.
    """

    offset = 1.0

    def __init__(self, aggregate: str = "mean") -> None:
        refuse_unknown_aggregate(aggregate)
        self.aggregate = aggregate

    def score(self, context: QueryContext) -> Score:
        """Minus the confidence."""
        if not several(context.y):
            return largest
        return lambda proba: aggregated(improbability(proba), self.aggregate) - 1

    def __str__(self) -> str:
        return "LeastConfidence()"


class EntropySampling(ScoringStrategy):
    """Largest entropy of the predicted distribution.

    With several labels, largest entropy of yes and no.

    Paper: Holub et al. 2008; Shannon 1948. Cost: scoring the pool. Needs: probabilities. Draws
    nothing. Scores: entropy in nats.

    Args:
        aggregate: of several labels, ``mean`` or ``max``.
    """

    def __init__(self, aggregate: str = "mean") -> None:
        refuse_unknown_aggregate(aggregate)
        self.aggregate = aggregate

    def score(self, context: QueryContext) -> Score:
        """The entropy."""
        if not several(context.y):
            return entropy
        return lambda proba: aggregated(binary_entropy(proba), self.aggregate)

    def __str__(self) -> str:
        return "EntropySampling()"
