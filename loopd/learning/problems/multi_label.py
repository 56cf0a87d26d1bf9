"""Owns any number of labels for each text as a learning problem; must not train anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Proba
from loopd.learning.problems.problem import Preselect
from loopd.records import Suggestion, Target

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.fitted import PoolScores
    from loopd.learning.labels import Labels, SparseLabels
    from loopd.learning.protocols import Classifier, Features, ModelScores


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

    def encode(self, targets: Sequence[Target]) -> SparseLabels:
        """A sparse matrix (n, C) of zeros and ones."""
        from scipy.sparse import csr_matrix

        number = {label: index for index, label in enumerate(self.labels)}
        labels = (label for some in targets for label in some)
        unknown = next((str(label) for label in labels if label not in number), None)
        if unknown is not None:
            raise ModelError(f"not a label: {unknown!r}")
        rows = [row for row, some in enumerate(targets) for _ in some]
        columns = [number[str(label)] for some in targets for label in some]
        shape = (len(targets), len(self.labels))
        ones = np.ones(len(rows), dtype=np.int64)
        y: SparseLabels = csr_matrix((ones, (rows, columns)), shape=shape)
        return y

    def pool(self, features: Features) -> IndexedDataset:
        """All rows, unlabelled."""
        from scipy.sparse import csr_matrix

        from loopd.learning.dataset import IndexedDataset

        y = csr_matrix((features.shape[0], len(self.labels)), dtype=np.int64)
        return IndexedDataset(features, y, np.arange(len(self.labels)))

    def told(self, y: Labels) -> Labels:
        """The sparse matrix."""
        return y

    def scores(
        self, classifier: Classifier, features: Features, preselect: Preselect
    ) -> PoolScores:
        """What the classifier says of the pool."""
        from loopd.learning.fitted import PoolScores

        return PoolScores(classifier, features, len(self.labels), preselect, multi_label=True)

    def predicted(self, classifier: Classifier, dataset: IndexedDataset) -> list[Target]:
        """The labels that the classifier's thresholds let through."""
        if len(dataset) == 0:
            return []
        label_sets, proba = classifier.predict(dataset, return_proba=True)
        return [self._named(columns) for columns in self._columns(label_sets, proba)]

    def proposals(self, scores: ModelScores, rows: Positions) -> list[Suggestion]:
        """The labels that the thresholds let through, each with its probability.

        A text without a label gets the probability that none applies.
        """
        if len(rows) == 0:
            return []
        dataset = self.pool(scores.features)[rows]
        label_sets, proba = scores.classifier.predict(dataset, return_proba=True)
        return [
            Suggestion(self._named(columns), self._probabilities(columns, row))
            for columns, row in zip(self._columns(label_sets, proba), proba, strict=True)
        ]

    def _columns(self, label_sets: SparseLabels, proba: Proba) -> list[list[int]]:
        """Columns of each text's labels in their order."""
        table = label_sets.toarray() > 0
        if not self.allow_empty:
            bare = np.flatnonzero(~table.any(axis=1))
            table[bare, proba[bare].argmax(axis=1)] = True
        return [np.flatnonzero(row).tolist() for row in table]

    def _named(self, columns: list[int]) -> tuple[str, ...]:
        return tuple(self.labels[column] for column in columns)

    @staticmethod
    def _probabilities(columns: list[int], row: Proba) -> tuple[float, ...]:
        if not columns:
            return (float(np.prod(1.0 - row.astype(np.float64))),)
        return tuple(float(row[column]) for column in columns)
