"""Owns the strategies that take what the model is least sure of; must not weigh anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from small_text import QueryStrategy

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


class MarginSampling(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Smallest margin between the two likeliest classes.

    Paper: Scheffer et al. 2001; small-text's name is of Luo et al. 2005, JMLR 6 (breaking ties).
    Cost: scoring the pool. Needs: probabilities. Draws nothing. Scores: 1 - margin.
    """

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
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, margin)
        self.chosen_scores_ = 1 + values
        return chosen

    def __str__(self) -> str:
        return "MarginSampling()"


class LeastConfidence(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Least probable best class.

    Paper: Lewis and Gale 1994. Cost: scoring the pool. Needs: probabilities. Draws nothing.
    Scores: 1 - probability of the best class.
    """

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
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, largest)
        self.chosen_scores_ = 1 + values
        return chosen

    def __str__(self) -> str:
        return "LeastConfidence()"


class EntropySampling(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Largest entropy of the predicted distribution.

    Paper: Holub et al. 2008; Shannon 1948. Cost: scoring the pool. Needs: probabilities. Draws
    nothing. Scores: entropy in nats.
    """

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
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        chosen, values = most_informative(clf, dataset, indices_unlabeled, n, entropy)
        self.chosen_scores_ = values
        return chosen

    def __str__(self) -> str:
        return "EntropySampling()"
