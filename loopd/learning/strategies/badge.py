"""Owns BADGE with a generator that can be seeded; must not compute embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import EmbeddingBasedQueryStrategy

from loopd.learning.strategies.kmeans import spread

Floats = NDArray[np.floating[Any]]


class SeededBADGE(EmbeddingBasedQueryStrategy):  # type: ignore[misc] # small-text is not typed
    """k-means++ over gradient embeddings (Ash et al. 2020, arXiv 1906.03671, algorithm 1).

    small-text's class draws from a generator that cannot be seeded, leaves out the one-hot term of
    the gradient, and hands norms to k-means++ that should be squared.

    The gradient embedding of a record is the outer product of ``p - onehot(argmax p)`` and its
    embedding; distances between outer products need only the two factors, so that memory stays
    linear in the pool.

    Args:
        num_classes: C; part of small-text's signature.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def sample(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: NDArray[np.int64],
        indices_labeled: NDArray[np.int64],
        y: Any,
        n: int,
        embeddings: Floats,
        embeddings_proba: Floats | None = None,
    ) -> NDArray[np.int64]:
        """Positions (n,) of the chosen among the unlabelled."""
        del indices_labeled, y
        proba = clf.predict_proba(dataset) if embeddings_proba is None else embeddings_proba
        residual = proba[indices_unlabeled].astype(np.float64)
        residual[np.arange(len(residual)), residual.argmax(axis=1)] -= 1
        return indices_unlabeled[spread(residual, embeddings[indices_unlabeled], n)]

    def __str__(self) -> str:
        return f"BADGE(num_classes={self.num_classes})"
