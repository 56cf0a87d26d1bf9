"""Owns one label for each text as a learning problem; must not train anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loopd.errors import ModelError
from loopd.learning.arrays import Positions
from loopd.learning.problems.problem import Preselect
from loopd.records import Suggestion, Target

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.fitted import PoolScores
    from loopd.learning.labels import Labels
    from loopd.learning.protocols import Classifier, Features, ModelScores


@dataclass(frozen=True, slots=True)
class SingleLabelProblem:
    """Class numbers (n,) and probabilities (n, C); see :class:`Problem`.

    Attributes:
        labels: label names.
    """

    labels: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``single_label``."""
        return "single_label"

    @property
    def decision_classes(self) -> int:
        """C."""
        return len(self.labels)

    def can_fit(self, targets: Collection[Target]) -> bool:
        """Whether there are two different labels."""
        return len(set(targets)) >= 2

    def encode(self, targets: Sequence[Target]) -> Positions:
        """Class numbers (n,)."""
        number: dict[Target, int] = {label: index for index, label in enumerate(self.labels)}
        unknown = next((label for label in targets if label not in number), None)
        if unknown is not None:
            raise ModelError(f"not a label: {unknown!r}")
        return np.array([number[label] for label in targets], dtype=np.int64)

    def pool(self, features: Features) -> IndexedDataset:
        """All rows, unlabelled."""
        from loopd.learning.dataset import unlabeled

        return unlabeled(features, len(self.labels))

    def told(self, y: Labels) -> Labels:
        """The class numbers."""
        return y

    def scores(
        self, classifier: Classifier, features: Features, preselect: Preselect
    ) -> PoolScores:
        """What the classifier says of the pool."""
        from loopd.learning.fitted import PoolScores

        return PoolScores(classifier, features, len(self.labels), preselect)

    def predicted(self, classifier: Classifier, dataset: IndexedDataset) -> list[Target]:
        """The most probable label of each text."""
        from loopd.learning.fitted import checked_proba

        proba = checked_proba(classifier.predict_proba, dataset, len(self.labels))
        return [self.labels[column] for column in proba.argmax(axis=1)]

    def proposals(self, scores: ModelScores, rows: Positions) -> list[Suggestion]:
        """The most probable label with its probability."""
        proba = scores.own(rows)
        best = proba.argmax(axis=1)
        return [
            Suggestion(self.labels[column], float(proba[row, column]))
            for row, column in enumerate(best)
        ]
