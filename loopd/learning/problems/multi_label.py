"""Owns any number of labels for each text as a learning problem; must not train anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.problems.problem import Positions
from loopd.learning.representation import Background
from loopd.records import Suggestion, Target


@dataclass(frozen=True, slots=True)
class MultiLabelProblem:
    """Sparse 0/1 rows (n, C) and independent probabilities (n, C); see :class:`Problem`.

    Attributes:
        labels: label names.
        allow_empty: whether a text may have no label; else it has at least the most probable one.
    """

    labels: tuple[str, ...]
    allow_empty: bool = True

    @property
    def kind(self) -> str:
        """``multi_label``."""
        return "multi_label"

    @property
    def decision_classes(self) -> int:
        """Two: the label applies or does not."""
        return 2

    def can_fit(self, targets: Collection[Target]) -> bool:
        """Whether two texts differ in their labels: some label applies to one of them only."""
        return len(set(targets)) >= 2

    def encode(self, targets: Sequence[Target]) -> Any:
        """A sparse matrix (n, C) of zeros and ones."""
        from scipy.sparse import csr_matrix

        number = {label: place for place, label in enumerate(self.labels)}
        unknown = next((str(each) for some in targets for each in some if each not in number), None)
        if unknown is not None:
            raise ModelError(f"not a label: {unknown!r}")
        rows = [row for row, some in enumerate(targets) for _ in some]
        columns = [number[str(label)] for some in targets for label in some]
        shape = (len(targets), len(self.labels))
        return csr_matrix((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape)

    def pool(self, features: Any) -> Any:
        """All rows, unlabelled."""
        from scipy.sparse import csr_matrix

        from loopd.learning.dataset import IndexedDataset

        y = csr_matrix((features.shape[0], len(self.labels)), dtype=np.int64)
        return IndexedDataset(features, y, np.arange(len(self.labels)))

    def told(self, y: Any) -> Any:
        """The sparse matrix."""
        return y

    def scores(self, classifier: Any, features: Any, preselect: Any) -> Any:
        """A :class:`~loopd.learning.fitted.PoolScores`."""
        from loopd.learning.fitted import PoolScores

        return PoolScores(classifier, features, len(self.labels), preselect, multi_label=True)

    def fitted(self, scores: Any, background: Background) -> Any:
        """A :class:`~loopd.learning.fitted.FittedClassifier`."""
        from loopd.learning.fitted import FittedClassifier

        return FittedClassifier(scores, background)

    def predicted(self, classifier: Any, dataset: Any) -> list[Target]:
        """The labels that the classifier's thresholds let through."""
        if len(dataset) == 0:
            return []
        given, proba = classifier.predict(dataset, return_proba=True)
        return [self._named(columns) for columns in self._chosen(given, proba)]

    def proposals(self, scores: Any, rows: Positions) -> list[Suggestion]:
        """The labels that the thresholds let through, each with its probability.

        A text without a label gets the probability that none applies.
        """
        if len(rows) == 0:
            return []
        given, proba = scores.classifier.predict(
            self.pool(scores.features)[rows], return_proba=True
        )
        return [
            Suggestion(self._named(columns), self._probabilities(columns, row))
            for columns, row in zip(self._chosen(given, proba), proba, strict=True)
        ]

    def decisions(self, scores: Any, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (k * C, 2) that each label does not apply, or does."""
        proba = np.asarray(scores.own(rows), dtype=np.float32).reshape(-1)
        return np.stack([1 - proba, proba], axis=1)

    def _chosen(self, given: Any, proba: NDArray[np.float32]) -> list[list[int]]:
        """Columns of each text in the order of the labels."""
        table = given.toarray() > 0
        if not self.allow_empty:
            bare = np.flatnonzero(~table.any(axis=1))
            table[bare, proba[bare].argmax(axis=1)] = True
        return [np.flatnonzero(row).tolist() for row in table]

    def _named(self, columns: list[int]) -> tuple[str, ...]:
        return tuple(self.labels[column] for column in columns)

    @staticmethod
    def _probabilities(columns: list[int], row: NDArray[np.float32]) -> tuple[float, ...]:
        if not columns:
            return (float(np.prod(1.0 - row.astype(np.float64))),)
        return tuple(float(row[column]) for column in columns)
