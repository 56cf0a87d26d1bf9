"""Owns one label for each text as a learning problem; must not train anything."""

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

    def encode(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Class numbers (n,)."""
        number: dict[Target, int] = {label: place for place, label in enumerate(self.labels)}
        unknown = next((label for label in targets if label not in number), None)
        if unknown is not None:
            raise ModelError(f"not a label: {unknown!r}")
        return np.array([number[label] for label in targets], dtype=np.int64)

    def pool(self, features: Any) -> Any:
        """All rows, unlabelled."""
        from loopd.learning.dataset import unlabeled

        return unlabeled(features, len(self.labels))

    def told(self, y: Any) -> Any:
        """The class numbers."""
        return y

    def scores(self, classifier: Any, features: Any, preselect: Any) -> Any:
        """A :class:`~loopd.learning.fitted.PoolScores`."""
        from loopd.learning.fitted import PoolScores

        return PoolScores(classifier, features, len(self.labels), preselect)

    def fitted(self, scores: Any, background: Background) -> Any:
        """A :class:`~loopd.learning.fitted.FittedClassifier`."""
        from loopd.learning.fitted import FittedClassifier

        return FittedClassifier(scores, background)

    def predicted(self, classifier: Any, dataset: Any) -> list[Target]:
        """The most probable label of each text."""
        from loopd.learning.fitted import checked_proba

        proba = checked_proba(classifier.predict_proba, dataset, len(self.labels))
        return [self.labels[column] for column in proba.argmax(axis=1)]

    def proposals(self, scores: Any, rows: Positions) -> list[Suggestion]:
        """The most probable label with its probability."""
        proba = scores.own(rows)
        best = proba.argmax(axis=1)
        return [
            Suggestion(self.labels[column], float(proba[place, column]))
            for place, column in enumerate(best)
        ]

    def decisions(self, scores: Any, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (k, C) of the texts."""
        proba: NDArray[np.float32] = scores.own(rows)
        return proba
