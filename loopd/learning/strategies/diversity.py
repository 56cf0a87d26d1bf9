"""Owns small-text's embedding strategies, guarded where they fail on small pools."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from small_text import ContrastiveActiveLearning, EmbeddingKMeans, LightweightCoreset
from threadpoolctl import threadpool_limits

from loopd.learning.arrays import Positions, Proba, Vectors
from loopd.learning.dataset import IndexedDataset
from loopd.learning.labels import Labels
from loopd.learning.protocols import StrategyModel
from loopd.learning.strategies.space import generator


class QuietEmbeddingKMeans(EmbeddingKMeans):  # type: ignore[misc] # small-text is not typed
    """The record nearest to each centre of a k-means over embeddings (Yuan et al. 2020).

    Cost: embedding the pool, k-means with a centre for each record that is chosen. Needs:
    embeddings. Draws. No scores.
    """

    def sample(self, *arguments: object, **options: object) -> Positions:
        """As upstream, without a warning where fewer different embeddings exist than centres.

        On one thread: several add up in the order in which they come, and the last bits differ.
        """
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            picked: Positions = super().sample(*arguments, **options)
        return picked


class SafeContrastive(ContrastiveActiveLearning):  # type: ignore[misc] # small-text is not typed
    """Largest divergence of a record's prediction from its neighbours' (Margatina et al. 2021).

    Cost: embedding the pool, neighbours in time pool^2, a loop over the pool in Python. Needs:
    embeddings and probabilities. Draws nothing. No scores.
    """

    def sample(
        self,
        clf: StrategyModel,
        dataset: IndexedDataset,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        *rest: object,
        **options: object,
    ) -> Positions:
        """As upstream, which fails with fewer records than neighbours or than internal batches."""
        smallest = -(-len(dataset) // len(indices_unlabeled))
        self.k: int = min(self.k, len(dataset))
        self.batch_size: int = max(self.batch_size, smallest)
        with np.errstate(invalid="ignore", divide="ignore"):
            picked: Positions = super().sample(
                clf, dataset, indices_unlabeled, indices_labeled, *rest, **options
            )
        return picked


class SafeLightweightCoreset(LightweightCoreset):  # type: ignore[misc] # small-text is not typed
    """A sample weighted by the distance from the mean embedding (Bachem et al. 2018).

    Cost: embedding the pool. Needs: embeddings. Draws. No scores.
    """

    def sample(
        self,
        clf: StrategyModel,
        dataset: IndexedDataset,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Labels,
        n: int,
        embeddings: Vectors,
        embeddings_proba: Proba | None = None,
    ) -> Positions:
        """As upstream, which fails where rounding makes a cosine 1.0000001 or all are alike."""
        del clf, dataset, indices_labeled, y, embeddings_proba
        some = np.asarray(embeddings, np.float64)[indices_unlabeled]
        mean = some.mean(axis=0)
        scale = np.linalg.norm(some, axis=1) * np.linalg.norm(mean)
        cosines = np.clip((some @ mean) / np.maximum(scale, 1e-12), -1, 1)
        distances = (np.arccos(cosines) / np.pi) ** 2
        if distances.sum() == 0:
            distances = np.ones(len(some))
        mass = 0.5 / len(some) + 0.5 * distances / distances.sum()
        return generator().choice(len(some), n, replace=False, p=mass / mass.sum())
