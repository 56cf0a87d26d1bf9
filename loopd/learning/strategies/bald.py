"""Owns BALD with its scores kept; must not train anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from small_text import BALD

from loopd.learning.arrays import Floats
from loopd.learning.labels import several
from loopd.learning.strategies.multi_label import binary_entropy
from loopd.learning.strategies.scores import top
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class ScoredBALD(ChoosingStrategy, BALD):  # type: ignore[misc] # small-text is not typed
    """Largest mutual information of prediction and weights under dropout.

    Paper: Houlsby et al. 2011, arXiv 1112.5745; dropout as in Gal and Ghahramani 2016. As upstream,
    but only the unlabelled are scored and the scores are kept, so that the most informative record
    comes first. Cost: scoring the pool once for each dropout sample; memory pool x samples x C.
    Needs: dropout. Scores: mutual information in bits; of several labels the sum.
    """

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), largest mutual information first."""
        view, samples = context.pool[context.unlabeled], self.dropout_samples
        sampled = context.model.predict_proba(view, dropout_sampling=samples)
        information = mutual_information_on_labels if several(context.y) else mutual_information
        values = information(sampled)
        best = top(values, context.unlabeled, n)
        return Selection(context.unlabeled[best], values[best])


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
