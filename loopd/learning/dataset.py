"""Owns the data set that small-text sees: rows of any features with labels; must not encode texts.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from small_text import Dataset
from small_text.data.exceptions import UnsupportedOperationException

from loopd.learning.arrays import Positions
from loopd.learning.labels import Index, Labels, several
from loopd.learning.protocols import Features

UNLABELED = -1
"""Value of ``y`` where there is no label (small-text's ``LABEL_UNLABELED``)."""


class IndexedDataset(Dataset):  # type: ignore[misc] # small-text is not typed
    """Some rows of shared features, with labels; indexing gives a view and copies no feature.

    Source: small-text's ``Dataset`` and ``DatasetView`` interfaces. Works for single label (``y``
    is an integer array) and multi label (``y`` is a sparse matrix).

    Args:
        features: anything with a length that an integer array can index (token store, sparse
            matrix, array of texts).
        y: labels of the rows, ``UNLABELED`` where unknown; (n,) integers or a sparse (n, C) matrix.
        target_labels: (C,) class numbers.
        rows: (n,) positions in ``features``; ``None`` means all in order.
        view: whether labels are read-only, as small-text's views have it.
        apart: positions in ``features`` of texts that may not serve as texts without a label:
            somebody is to be judged by them. A part of the rows has the same.
    """

    def __init__(
        self,
        features: Features,
        y: Labels,
        target_labels: Positions,
        *,
        rows: Positions | None = None,
        view: bool = False,
        apart: Positions | None = None,
    ) -> None:
        self.features = features
        self.apart = np.empty(0, dtype=np.int64) if apart is None else apart
        self.rows = np.arange(features.shape[0]) if rows is None else rows
        if self.rows.shape[0] != y.shape[0]:
            raise ValueError(f"{self.rows.shape[0]} rows but {y.shape[0]} labels")
        self._y = y
        self._target_labels = target_labels
        self._view = view

    @property
    def x(self) -> Any:  # as the kind of features has them
        """Features of the rows."""
        return self.features[self.rows]

    @property
    def y(self) -> Labels:
        """Labels of the rows."""
        return self._y

    @y.setter
    def y(self, y: Labels) -> None:
        if self._view:
            raise UnsupportedOperationException("Cannot set y on a view; clone it first")
        if y.shape[0] != len(self):
            raise ValueError(f"{len(self)} rows but {y.shape[0]} labels")
        self._y = y

    @property
    def taken(self) -> Positions:
        """Positions of what cannot serve as a text without a label: the rows, and what is apart."""
        return np.union1d(self.rows, self.apart)

    @property
    def is_multi_label(self) -> bool:
        """Whether ``y`` is a sparse matrix."""
        return several(self._y)

    @property
    def target_labels(self) -> Positions:
        """All class numbers, also those without an example."""
        return self._target_labels

    @target_labels.setter
    def target_labels(self, target_labels: Positions) -> None:
        if self._view:
            raise UnsupportedOperationException("Cannot set target_labels on a view")
        self._target_labels = target_labels

    def clone(self) -> IndexedDataset:
        """A copy with labels of its own; the features are never changed and stay shared."""
        labels, classes, rows = self._y.copy(), self._target_labels.copy(), self.rows.copy()
        return IndexedDataset(self.features, labels, classes, rows=rows, apart=self.apart)

    def __getitem__(self, item: Index) -> IndexedDataset:
        rows = np.atleast_1d(self.rows[item])
        y = self._y[item] if several(self._y) else np.atleast_1d(self._y[item])
        return IndexedDataset(
            self.features, y, self._target_labels, rows=rows, view=True, apart=self.apart
        )

    def __len__(self) -> int:
        return int(self.rows.shape[0])


def unlabeled(features: Features, num_classes: int) -> IndexedDataset:
    """All rows of the features without labels."""
    y = np.full(features.shape[0], UNLABELED, dtype=np.int64)
    return IndexedDataset(features, y, np.arange(num_classes))
