"""Owns the strategies that take what the model is least sure of; must not weigh anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from small_text import QueryStrategy

from loopd.learning.strategies.multi_label import (
    Score,
    aggregated,
    binary_entropy,
    improbability,
    nearness,
    refuse_unknown_aggregate,
    several,
    thresholds,
)
from loopd.learning.strategies.space import most_informative

Floats = NDArray[np.floating[Any]]
Positions = NDArray[np.int64]


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


def margin_of(clf: Any, y: Any, aggregate: str) -> Score:
    """The score by margins, in [-1, 0], for one label or several as the labels known are.

    Args:
        clf: whose thresholds several labels are measured by.
        y: labels of the labelled records.
        aggregate: how the margins of several labels become one.
    """
    if not several(y):
        return margin
    least = thresholds(clf)
    return lambda proba: aggregated(nearness(proba, least), aggregate)


class MarginSampling(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Smallest margin between the two likeliest classes.

    With several labels, smallest margin between the probability of a label and its threshold.

    Paper: Scheffer et al. 2001; small-text's name is of Luo et al. 2005, JMLR 6 (breaking ties).
    Cost: scoring the pool. Needs: probabilities. Draws nothing. Scores: 1 - margin.

    Args:
        aggregate: of several labels, ``mean`` or ``max``.
    """

    def __init__(self, aggregate: str = "mean") -> None:
        refuse_unknown_aggregate(aggregate)
        self.aggregate = aggregate

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,), smallest margin first."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        score = margin_of(clf, y, self.aggregate)
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, score)
        self.chosen_scores_ = 1 + values
        return chosen

    def __str__(self) -> str:
        return "MarginSampling()"


class LeastConfidence(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Least probable best class.

    With several labels, least probable better one of yes and no.

    Paper: Lewis and Gale 1994. Cost: scoring the pool. Needs: probabilities. Draws nothing.
    Scores: 1 - probability of the best class.

    Args:
        aggregate: of several labels, ``mean`` or ``max``.
    """

    def __init__(self, aggregate: str = "mean") -> None:
        refuse_unknown_aggregate(aggregate)
        self.aggregate = aggregate

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,), least confident first."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        score: Score = largest
        if several(y):
            score = lambda proba: aggregated(improbability(proba), self.aggregate) - 1  # noqa: E731
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, score)
        self.chosen_scores_ = 1 + values
        return chosen

    def __str__(self) -> str:
        return "LeastConfidence()"


class EntropySampling(QueryStrategy):  # type: ignore[misc] # small-text is not typed
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

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,), largest entropy first."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        score: Score = entropy
        if several(y):
            score = lambda proba: aggregated(binary_entropy(proba), self.aggregate)  # noqa: E731
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, score)
        self.chosen_scores_ = values
        return chosen

    def __str__(self) -> str:
        return "EntropySampling()"
