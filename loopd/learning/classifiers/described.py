"""Owns how a classifier also learns from texts that describe the labels; must not know encoders.

People know what a label means before the first answer. What they write of it is a text of that
label like any other, with a weight of its own; it is never predicted, and never held out.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.sparse import vstack

from loopd.learning.arrays import Proba, Weights
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.joined import joined
from loopd.learning.labels import Labels, several
from loopd.learning.predictor import predictor
from loopd.learning.protocols import Classifier, Features
from loopd.learning.takeover import refit

HEAVIEST = 4.0
"""Weight of a description against a labelled text as long as there is hardly any."""

HALF = 200
"""Number of labelled texts at which the weight has fallen to half of that."""


@dataclass(frozen=True)
class Descriptions:
    """Texts that describe labels.

    Attributes:
        features: (m, ...) of the texts, as the factory encodes them.
        y: their labels, as the problem encodes them.
    """

    features: Features
    y: Labels

    def weight(self, labels: int) -> float:
        """How much a description counts beside so many labelled texts."""
        return HEAVIEST / (1 + labels / HALF)

    def added_to(
        self, train_set: IndexedDataset, weights: Weights | None
    ) -> tuple[IndexedDataset, Weights]:
        """A training set with the descriptions behind it, and how much each row counts."""
        count, first = self.y.shape[0], train_set.features.shape[0]
        theirs = np.arange(first, first + count)
        both = IndexedDataset(
            joined(train_set.features, self.features),
            _stacked(train_set.y, self.y),
            train_set.target_labels,
            rows=np.concatenate([train_set.rows, theirs]),
            apart=np.concatenate([train_set.apart, theirs]),
        )
        own = np.ones(len(train_set), dtype=np.float32) if weights is None else weights
        weight = np.full(count, self.weight(len(train_set)), dtype=np.float32)
        return both, np.concatenate([own, weight])


class DescribedClassifier:
    """An untrained classifier that adds the descriptions to whatever it is trained on.

    Attributes:
        inner: the classifier itself; once trained, it needs the descriptions no more.
    """

    def __init__(self, inner: Classifier, descriptions: Descriptions) -> None:
        self.inner = inner
        self._descriptions = descriptions

    def fit(self, train_set: IndexedDataset, weights: Weights | None = None) -> DescribedClassifier:
        """Train on the rows and the descriptions."""
        both, each = self._descriptions.added_to(train_set, weights)
        takes_weights = "weights" in inspect.signature(self.inner.fit).parameters
        self.inner.fit(both, **({"weights": each} if takes_weights else {}))
        return self

    def refit(self, train_set: IndexedDataset, weights: Weights | None = None) -> None:
        """Fit the head of a trained classifier anew, on the rows and the descriptions.

        Raises:
            ModelError: the classifier itself cannot be fitted so.
        """
        both, each = self._descriptions.added_to(train_set, weights)
        refit(self.inner, both, each)

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """As the classifier itself."""
        return self.inner.predict(data_set, return_proba=return_proba)

    def as_predictor(self) -> Classifier:
        """As the classifier itself."""
        return predictor(self.inner)

    def predict_proba(self, data_set: IndexedDataset, /) -> Proba:
        """As the classifier itself."""
        return self.inner.predict_proba(data_set)


def trained(classifier: Classifier) -> Classifier:
    """What was trained, without what it was trained through."""
    return classifier.inner if isinstance(classifier, DescribedClassifier) else classifier


def _stacked(first: Labels, second: Labels) -> Labels:
    if several(first):
        return cast("Labels", vstack([first, second]).tocsr())
    return np.concatenate([np.asarray(first), np.asarray(second)])
