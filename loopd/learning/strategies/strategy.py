"""Owns how small-text's call becomes a choice or a score of ours; must not choose.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from small_text import QueryStrategy

from loopd.learning.arrays import Positions, Score, Scores, Vectors
from loopd.learning.dataset import IndexedDataset
from loopd.learning.labels import Labels
from loopd.learning.protocols import StrategyModel
from loopd.learning.strategies import space


@dataclass(frozen=True, slots=True)
class QueryContext:
    """What a strategy is told.

    Attributes:
        model: the classifier; before there is one, what stands for it.
        pool: the records that the strategy is shown.
        unlabeled: indices of those that may be chosen.
        labeled: indices (k,) of those with a label.
        y: their labels.
    """

    model: StrategyModel
    pool: IndexedDataset
    unlabeled: Positions
    labeled: Positions
    y: Labels

    @property
    def covered(self) -> Positions:
        """Indices of what people know already: labelled, out with annotators, or discarded."""
        return space.covered(self.pool, self.unlabeled)

    def represented(self, indices: Positions) -> Vectors:
        """Vectors (k, d) that no label has changed."""
        return space.represented(self.model, self.pool, indices)

    def vectors(self, indices: Positions, kind: str) -> Vectors:
        """Vectors (k, d) of length 1, of one of the kinds in ``space.SPACES``."""
        return space.vectors(self.model, self.pool, indices, kind)

    def most_informative(self, n: int, score: Score) -> tuple[Positions, Scores]:
        """The ``n`` best that may be chosen by a score of their probabilities, and the scores."""
        return space.most_informative(self.model, self.pool, self.unlabeled, n, score)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a strategy chooses.

    Attributes:
        indices: (n,) of the records, most informative first where there are scores.
        scores: informativeness (n,), higher first; ``None`` where the strategy has none.
    """

    indices: Positions
    scores: Scores | None = None


class ChoosingStrategy(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """A strategy that says in ``choose`` which records it takes.

    Attributes:
        chosen_scores_: those of the last selection, where ``scores.informativeness`` reads them.
    """

    chosen_scores_: Scores | None = None

    def query(
        self,
        clf: StrategyModel,
        dataset: IndexedDataset,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Labels,
        n: int = 10,
    ) -> Positions:
        """Indices (n,) as ``choose`` gives them.

        Raises:
            small_text.PoolExhaustedException: fewer than ``n`` may be chosen.
        """
        self._validate_query_input(indices_unlabeled, n)
        context = QueryContext(clf, dataset, indices_unlabeled, indices_labeled, y)
        selection = self.choose(context, n)
        self.chosen_scores_ = selection.scores
        return selection.indices

    def choose(self, context: QueryContext, n: int) -> Selection:
        """The ``n`` records to be labelled next; there are as many."""
        raise NotImplementedError


class ScoringStrategy(ChoosingStrategy):
    """A strategy that takes what scores best, record by record.

    Attributes:
        offset: added to scores when they are shown; they are compared without it, more exactly.
    """

    offset: float | None = None

    def score(self, context: QueryContext) -> Score:
        """Informativeness of probabilities."""
        raise NotImplementedError

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), best score first, ties in the order of the pool."""
        indices, values = context.most_informative(n, self.score(context))
        return Selection(indices, values if self.offset is None else self.offset + values)
