"""Owns what the learner asks of a kind of problem; must import no learning library early."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loopd.learning.representation import Background
from loopd.records import Suggestion, Target

Positions = NDArray[np.int64]


class Problem(Protocol):
    """A kind of problem over fixed labels.

    Attributes:
        kind: ``single_label``, ``multi_label`` or ``spans``.
        labels: label names; class numbers are their places.
    """

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def decision_classes(self) -> int:
        """Number of columns k of ``decisions``."""
        ...

    def can_fit(self, targets: Collection[Target]) -> bool:
        """Whether there is enough to train on."""
        ...

    def encode(self, targets: Sequence[Target]) -> Any:
        """The targets as ``y`` of a data set.

        Raises:
            ModelError: a label that is not known.
        """
        ...

    def pool(self, features: Any) -> Any:
        """A small-text data set of all rows of the features, without labels."""
        ...

    def told(self, y: Any) -> Any:
        """``y`` as small-text's active learner takes it."""
        ...

    def scores(self, classifier: Any, features: Any, preselect: Any) -> Any:
        """What a model says of the pool, computed when asked for; see ``fitted.PoolScores``."""
        ...

    def fitted(self, scores: Any, background: Background) -> Any:
        """The trained classifier as strategies see it."""
        ...

    def predicted(self, classifier: Any, dataset: Any) -> list[Target]:
        """The most likely target of each text."""
        ...

    def proposals(self, scores: Any, rows: Positions) -> list[Suggestion]:
        """What to suggest to annotators for pool positions (k,)."""
        ...

    def decisions(self, scores: Any, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (m, k) of each decision that the model takes on pool positions.

        One decision for each text, for each pair of text and label, or for each token: what
        stopping criteria watch. The number of rows m depends on the texts alone.
        """
        ...


def problem_of(kind: str, labels: tuple[str, ...], *, allow_empty: bool = True) -> Problem:
    """The problem of a kind of task.

    Args:
        kind: ``single_label``, ``multi_label`` or ``spans``.
        labels: label names.
        allow_empty: whether a text may have no label (multi label).
    """
    match kind:
        case "multi_label":
            from loopd.learning.problems.multi_label import MultiLabelProblem

            return MultiLabelProblem(labels, allow_empty)
        case "spans":
            from loopd.learning.problems.spans import SpanProblem

            return SpanProblem(labels)
        case _:
            from loopd.learning.problems.single_label import SingleLabelProblem

            return SingleLabelProblem(labels)
