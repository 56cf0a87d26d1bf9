"""Owns BALD with its scores kept; must not train anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from small_text import BALD

from loopd.learning.strategies.multi_label import binary_entropy, several
from loopd.learning.strategies.scores import top

Floats = NDArray[np.floating[Any]]


class ScoredBALD(BALD):  # type: ignore[misc] # small-text is not typed
    """Largest mutual information of prediction and weights under dropout.

    Paper: Houlsby et al. 2011, arXiv 1112.5745; dropout as in Gal and Ghahramani 2016. As upstream,
    but only the unlabelled are scored and the scores are kept, so that the most informative record
    comes first. Cost: scoring the pool once for each dropout sample; memory pool x samples x C.
    Needs: dropout. Scores: mutual information in bits; of several labels the sum.
    """

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: NDArray[np.int64],
        indices_labeled: NDArray[np.int64],
        y: Any,
        n: int = 10,
    ) -> NDArray[np.int64]:
        """Indices (n,), largest mutual information first."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        samples = self.dropout_samples
        sampled = clf.predict_proba(dataset[indices_unlabeled], dropout_sampling=samples)
        values = (
            mutual_information_on_labels(sampled) if several(y) else mutual_information(sampled)
        )
        best = top(values, indices_unlabeled, n)
        self.chosen_scores_ = values[best]
        return indices_unlabeled[best]


def mutual_information(sampled: Floats) -> NDArray[np.float64]:
    """Entropy of the mean minus mean of the entropies, in bits, of samples (n, samples, C)."""
    mean_entropy = entropy(sampled, axis=2, base=2).mean(axis=1)
    return np.asarray(entropy(sampled.mean(axis=1), axis=1, base=2) - mean_entropy)


def mutual_information_on_labels(sampled: Floats) -> NDArray[np.float64]:
    """The same (n,), summed over labels with independent probabilities (n, samples, C)."""
    mean_entropy = np.mean(
        [binary_entropy(sample) for sample in np.moveaxis(sampled, 1, 0)], axis=0
    )
    mean = binary_entropy(sampled.mean(axis=1, dtype=np.float64))
    return np.asarray((mean - mean_entropy).sum(axis=1) / np.log(2))
