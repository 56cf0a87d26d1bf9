"""Owns discriminative active learning over embeddings; must not train the transformer again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import Classifier, DiscriminativeActiveLearning

from loopd.learning.arrays import Weights
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.dataset import IndexedDataset
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class EmbeddingDiscriminative(ChoosingStrategy):
    """Records that look unlike the labelled ones (Gissin and Shalev-Shwartz 2019, 1907.06347).

    small-text's strategy trains a whole classifier in each of its iterations to tell labelled from
    unlabelled. As in the paper, here it is a small one over the present model's embeddings.

    Cost: embedding the pool, then ``num_iterations`` small fits and passes over the embeddings.
    Needs: embeddings. Draws. No scores.

    Args:
        num_iterations: in how many steps the batch is chosen; at most its size.
        unlabeled_factor: unlabelled examples for each labelled one.
    """

    def __init__(self, num_iterations: int = 10, unlabeled_factor: int = 10) -> None:
        self.num_iterations = num_iterations
        self.unlabeled_factor = unlabeled_factor

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Positions (n,) of the unlabelled rows least like the labelled ones."""
        pool = context.pool
        nothing = np.zeros(len(pool), dtype=np.int64)  # upstream refuses several labels unread
        vectors = np.asarray(context.model.embed(pool))
        embedded = IndexedDataset(vectors, nothing, pool.target_labels)
        strategy = DiscriminativeActiveLearning(
            Discriminators(),
            min(self.num_iterations, n),
            unlabeled_factor=self.unlabeled_factor,
            pbar=None,
        )
        told = (context.model, embedded, context.unlabeled, context.labeled, context.y)
        return Selection(np.asarray(strategy.query(*told, n=n)))

    def __str__(self) -> str:
        return f"DiscriminativeActiveLearning(num_iterations={self.num_iterations})"


class Discriminators:
    """small-text's factory of the classifiers that tell labelled from unlabelled."""

    def new(self) -> Discriminator:
        """A fresh one."""
        return Discriminator()


class Discriminator(Classifier):  # type: ignore[misc] # small-text is not typed
    """Logistic regression over embeddings."""

    head: LinearHead

    def fit(self, train_set: IndexedDataset, weights: Weights | None = None) -> Discriminator:
        """Train on labelled (0) and unlabelled (1) rows; both kinds weigh the same."""
        self.head = fit_head(train_set.x, train_set.y, 2, c=1.0, balanced=True, weights=weights)
        return self

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), and probabilities (n, 2) if asked."""
        proba = self.predict_proba(data_set)
        labels = proba.argmax(axis=1)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset) -> NDArray[np.float32]:
        """Probabilities (n, 2)."""
        return self.head.proba(data_set.x)
