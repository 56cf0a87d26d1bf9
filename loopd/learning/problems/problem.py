"""Owns what the learner asks of a kind of problem; must import no learning library early."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from loopd.learning.arrays import Positions, Proba
from loopd.records import Suggestion, Target

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.labels import Labels
    from loopd.learning.preselect import Preselection
    from loopd.learning.protocols import Classifier, Features, ModelScores

Preselect: TypeAlias = "Callable[[Callable[[Positions], Proba]], Preselection | None]"
"""Narrows a pool for a slow classifier, which it may ask."""


class Problem(Protocol):
    """A kind of problem over fixed labels.

    Attributes:
        kind: ``single_label``, ``multi_label`` or ``spans``.
        labels: label names; class numbers are their indices.
    """

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def decision_classes(self) -> int:
        """Number of columns k of a model's ``decisions``."""
        ...

    def can_fit(self, targets: Collection[Target]) -> bool:
        """Whether there is enough to train on."""
        ...

    def encode(self, targets: Sequence[Target]) -> Labels:
        """The targets as ``y`` of a data set.

        Raises:
            ModelError: a label that the configuration does not have.
        """
        ...

    def pool(self, features: Features) -> IndexedDataset:
        """A small-text data set of all rows of the features, without labels."""
        ...

    def told(self, y: Labels) -> Labels:
        """``y`` as small-text's active learner takes it."""
        ...

    def scores(
        self, classifier: Classifier, features: Features, preselect: Preselect
    ) -> ModelScores:
        """What a model says of the pool, computed when it is asked.

        Raises:
            ModelError: the classifier cannot do what the problem needs.
        """
        ...

    def predicted(self, classifier: Classifier, dataset: IndexedDataset) -> list[Target]:
        """The most likely target of each text."""
        ...

    def proposals(self, scores: ModelScores, rows: Positions) -> list[Suggestion]:
        """What to suggest to annotators for pool positions (k,)."""
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
