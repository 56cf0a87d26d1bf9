"""Owns labelled spans of texts as a learning problem; must not train anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.arrays import Positions
from loopd.learning.problems.problem import Preselect
from loopd.learning.protocols import MarksSpans
from loopd.records import Span, Suggestion, Target

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.labels import Labels
    from loopd.learning.protocols import Classifier, Features, ModelScores, Tagger
    from loopd.learning.spans.fitted import TagScores


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
        for row, spans in enumerate(targets):
            y[row] = tuple(Span(*span) for span in spans)
            unknown = next((span.label for span in y[row] if span.label not in self.labels), None)
            if unknown is not None:
                raise ModelError(f"not a label: {unknown!r}")
        return y

    def pool(self, features: Features) -> IndexedDataset:
        """All rows, unlabelled."""
        from loopd.learning.dataset import unlabeled

        return unlabeled(features, len(self.labels))

    def told(self, y: Labels) -> Positions:
        """Zeros (n,): small-text's learner only needs to know which texts are labelled."""
        return np.zeros(y.shape[0], dtype=np.int64)

    def scores(self, classifier: Classifier, features: Features, preselect: Preselect) -> TagScores:
        """What the classifier says of the pool."""
        from loopd.learning.spans.fitted import TagScores

        del preselect
        return TagScores(_tagger(classifier), features, len(self.labels))

    def predicted(self, classifier: Classifier, dataset: IndexedDataset) -> list[Target]:
        """The spans of each text's most probable sequence of tags."""
        return list(classifier.predict(dataset))

    def proposals(self, scores: ModelScores, rows: Positions) -> list[Suggestion]:
        """The spans, each with its probability."""
        dataset = self.pool(scores.features)[rows]
        return [
            Suggestion(spans, tuple(float(proba) for proba in probabilities))
            for spans, probabilities in _tagger(scores.classifier).predict_scored(dataset)
        ]


def _tagger(classifier: Classifier) -> Tagger:
    if not isinstance(classifier, MarksSpans):
        raise ModelError(f"{type(classifier).__name__} cannot mark spans", "use `transformer`")
    return classifier
