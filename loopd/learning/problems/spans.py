"""Owns labelled spans of texts as a learning problem; must not train anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.problems.problem import Positions
from loopd.learning.representation import Background
from loopd.records import Span, Suggestion, Target


@dataclass(frozen=True, slots=True)
class SpanProblem:
    """Tuples of spans (n,) and probabilities of tags, token by token; see :class:`Problem`.

    Attributes:
        labels: label names.
    """

    labels: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``spans``."""
        return "spans"

    @property
    def decision_classes(self) -> int:
        """2 C + 1 tags: the begin and the inside of each label, and outside."""
        return 2 * len(self.labels) + 1

    def can_fit(self, targets: Collection[Target]) -> bool:
        """Whether there is a span at all."""
        return any(targets)

    def encode(self, targets: Sequence[Target]) -> NDArray[np.object_]:
        """An array (n,) of tuples of spans."""
        y = np.empty(len(targets), dtype=object)
        for place, spans in enumerate(targets):
            y[place] = tuple(Span(*each) for each in spans)
            unknown = next((each.label for each in y[place] if each.label not in self.labels), None)
            if unknown is not None:
                raise ModelError(f"not a label: {unknown!r}")
        return y

    def pool(self, features: Any) -> Any:
        """All rows, unlabelled."""
        from loopd.learning.dataset import unlabeled

        return unlabeled(features, len(self.labels))

    def told(self, y: Any) -> Any:
        """Zeros (n,): small-text's learner only needs to know which texts are labelled."""
        return np.zeros(len(y), dtype=np.int64)

    def scores(self, classifier: Any, features: Any, preselect: Any) -> Any:
        """A :class:`~loopd.learning.spans.fitted.TagScores`."""
        from loopd.learning.spans.fitted import TagScores

        del preselect
        return TagScores(classifier, features, len(self.labels))

    def fitted(self, scores: Any, background: Background) -> Any:
        """A :class:`~loopd.learning.spans.fitted.FittedTagger`."""
        from loopd.learning.spans.fitted import FittedTagger

        return FittedTagger(scores, background)

    def predicted(self, classifier: Any, dataset: Any) -> list[Target]:
        """The spans of each text's most probable sequence of tags."""
        return list(classifier.predict(dataset))

    def proposals(self, scores: Any, rows: Positions) -> list[Suggestion]:
        """The spans, each with its probability."""
        dataset = self.pool(scores.features)[rows]
        return [
            Suggestion(spans, tuple(float(each) for each in probabilities))
            for spans, probabilities in scores.classifier.predict_scored(dataset)
        ]

    def decisions(self, scores: Any, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (tokens of the texts, 2 C + 1) of tags."""
        proba: NDArray[np.float32] = scores.of(rows)[0]
        return proba
