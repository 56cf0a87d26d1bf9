"""Owns small-text's uncertainty strategies in vectorised form; must choose as small-text does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from small_text import BALD, BreakingTies, PredictionEntropy

Floats = NDArray[np.floating[Any]]


class FastBreakingTies(BreakingTies):  # type: ignore[misc] # small-text is not typed
    """Smallest margin between the two likeliest classes (Luo et al. 2005, JMLR 6).

    The upstream class sorts row by row in Python, 40 times slower.
    """

    def get_confidence(self, clf: Any, dataset: Any, *known: Any) -> Floats:
        """Margins (n,); lower is more informative."""
        del known
        top = np.partition(clf.predict_proba(dataset), -2, axis=1)
        margins: Floats = top[:, -1] - top[:, -2]
        return margins


class FastPredictionEntropy(PredictionEntropy):  # type: ignore[misc] # small-text is not typed
    """Largest entropy of the predicted distribution (Holub et al. 2008)."""

    def get_confidence(self, clf: Any, dataset: Any, *known: Any) -> Floats:
        """Entropies (n,) in nats; higher is more informative."""
        del known
        return np.asarray(entropy(clf.predict_proba(dataset), axis=1))


class ScoredBALD(BALD):  # type: ignore[misc] # small-text is not typed
    """Largest mutual information of prediction and weights under dropout (Houlsby et al. 2011).

    As upstream, but keeps the scores, so that the most informative record comes first.
    """

    lower_is_better = False

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: NDArray[np.int64],
        indices_labeled: NDArray[np.int64],
        y: Any,
        n: int = 10,
    ) -> NDArray[np.int64]:
        """Positions (n,) of the unlabelled rows with the largest scores."""
        del indices_labeled, y
        self._validate_query_input(indices_unlabeled, n)
        sampled = clf.predict_proba(dataset, dropout_sampling=self.dropout_samples)
        self.scores_ = mutual_information(sampled)
        best = np.argsort(-self.scores_[indices_unlabeled], kind="stable")[:n]
        return indices_unlabeled[best]


def mutual_information(sampled: Floats) -> Floats:
    """Entropy of the mean minus mean of the entropies, in bits, of samples (n, samples, C)."""
    mean_entropy = entropy(sampled, axis=2, base=2).mean(axis=1)
    return np.asarray(entropy(sampled.mean(axis=1), axis=1, base=2) - mean_entropy)
