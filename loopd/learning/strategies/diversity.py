"""Owns small-text's embedding strategies, guarded where they fail on small pools."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from small_text import ContrastiveActiveLearning, EmbeddingKMeans, LightweightCoreset

Positions = NDArray[np.int64]


class QuietEmbeddingKMeans(EmbeddingKMeans):  # type: ignore[misc] # small-text is not typed
    """The record nearest to each centre of a k-means over embeddings (Yuan et al. 2020)."""

    def sample(self, *arguments: Any, **options: Any) -> Positions:
        """As upstream, without a warning where fewer different embeddings exist than centres."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            chosen: Positions = super().sample(*arguments, **options)
        return chosen


class SafeContrastive(ContrastiveActiveLearning):  # type: ignore[misc] # small-text is not typed
    """Largest divergence of a record's prediction from its neighbours' (Margatina et al. 2021)."""

    def sample(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        *rest: Any,
        **options: Any,
    ) -> Positions:
        """As upstream, which fails with fewer records than neighbours or than internal batches."""
        smallest = -(-len(dataset) // len(indices_unlabeled))
        self.k: int = min(self.k, len(dataset))
        self.batch_size: int = max(self.batch_size, smallest)
        with np.errstate(invalid="ignore", divide="ignore"):
            chosen: Positions = super().sample(
                clf, dataset, indices_unlabeled, indices_labeled, *rest, **options
            )
        return chosen


class SafeLightweightCoreset(LightweightCoreset):  # type: ignore[misc] # small-text is not typed
    """A sample weighted by the distance from the mean embedding (Bachem et al. 2018)."""

    def sample(self, *arguments: Any, **options: Any) -> Positions:
        """As upstream, whose arc cosine of a rounded 1.0000001 is not a number."""
        *before, embeddings = arguments
        chosen: Positions = super().sample(*before, np.asarray(embeddings, np.float64), **options)
        return chosen
