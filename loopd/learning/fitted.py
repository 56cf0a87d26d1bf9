"""Owns a trained model and how small-text asks it; must not train or choose.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import Classifier

from loopd.errors import ModelError
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.learning.foreign import calling


@dataclass(frozen=True)
class PoolScores:
    """Probabilities of all pool records, computed once and together.

    Together, because a model's last bits depend on which texts share a batch: a daemon that was
    killed between two questions must get the same answers as one that was not.

    Attributes:
        classifier: the trained classifier.
        features: of the pool.
        num_classes: C.
    """

    classifier: Any
    features: Any
    num_classes: int

    @cached_property
    def all(self) -> NDArray[np.float32]:
        """Probabilities (pool, C)."""
        dataset = unlabeled(self.features, self.num_classes)
        return checked_proba(self.classifier, dataset, self.num_classes)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probabilities (k, C) at pool positions (k,)."""
        return self.all[rows]


def checked_proba(
    classifier: Any, dataset: IndexedDataset, num_classes: int
) -> NDArray[np.float32]:
    """What the classifier predicts, (n, C) float32.

    Raises:
        ModelError: it gives another number of columns, as classifiers do that drop unseen classes,
            or something that is not a number.
    """
    with calling("predicting with the classifier"):
        proba = np.asarray(classifier.predict_proba(dataset), dtype=np.float32)
    if proba.shape != (len(dataset), num_classes):
        raise ModelError(
            f"the classifier gave probabilities of shape {proba.shape}, "
            f"not ({len(dataset)}, {num_classes})",
            "a classifier must have one column for each label, seen in training or not",
        )
    if not np.isfinite(proba).all():
        raise ModelError(
            "the classifier gave probabilities that are not numbers",
            "its training diverged: lower its learning rate",
        )
    return proba


class FittedClassifier(Classifier):  # type: ignore[misc] # small-text is not typed
    """A trained classifier as small-text's learner sees it: nothing is trained or scored twice.

    It is its own factory: the learner's ``new()`` gives it back, and ``fit`` does nothing.
    """

    def __init__(self, scores: PoolScores) -> None:
        self._scores = scores
        self.num_classes = scores.num_classes

    def new(self) -> FittedClassifier:
        """The classifier itself, for small-text's factory interface."""
        return self

    def fit(self, train_set: Any, weights: Any = None) -> FittedClassifier:
        """Nothing: it is trained already."""
        del train_set, weights
        return self

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:
        """Class numbers (n,), and probabilities (n, C) if asked."""
        proba = self.predict_proba(data_set)
        labels = proba.argmax(axis=1)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset, dropout_sampling: int = 1) -> Any:
        """Probabilities (n, C); with dropout samples (n, samples, C).

        Raises:
            ModelError: the classifier has no dropout.
        """
        if dropout_sampling == 1:
            return self._scores.of(data_set.rows)
        predict = self._scores.classifier.predict_proba
        if "dropout_sampling" not in inspect.signature(predict).parameters:
            raise ModelError(
                "the strategy needs dropout, which the classifier has not",
                "use `transformer`, or another strategy",
            )
        return predict(data_set, dropout_sampling=dropout_sampling)

    def embed(
        self,
        data_set: IndexedDataset,
        return_proba: bool = False,
        pbar: str | None = None,
        **options: Any,
    ) -> Any:
        """Embeddings (n, d), and probabilities (n, C) if asked; never with a progress bar.

        Raises:
            ModelError: the classifier has no embeddings.
        """
        del pbar
        embed = getattr(self._scores.classifier, "embed", None)
        if embed is None:
            raise ModelError(
                "the strategy needs embeddings, which the classifier has not",
                "use `transformer` or `tfidf`, or another strategy",
            )
        embedded = embed(data_set, **options)
        return (embedded, self.predict_proba(data_set)) if return_proba else embedded
