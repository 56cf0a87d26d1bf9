"""Owns what loopd's classifiers tell strategies, trained before or missing; must not train one.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from small_text import Classifier

from loopd.learning.arrays import Positions, Scores, Weights
from loopd.learning.dataset import IndexedDataset
from loopd.learning.representation import Background, Representation
from loopd.learning.screening import shortlist
from loopd.learning.strategies.scores import top

Self = TypeVar("Self", bound="FrozenClassifier")


class FrozenClassifier(Classifier):  # type: ignore[misc] # small-text is not typed
    """A classifier as small-text's learner sees it: trained already, or not to be trained yet.

    It is its own factory: the learner's ``new()`` gives it back, and ``fit`` does nothing.

    Args:
        num_classes: C.
        background: what strategies may know without a model.
    """

    cold = False
    """Whether there is no model yet."""

    def __init__(self, num_classes: int, background: Background | None = None) -> None:
        self._background = background or Background()
        self.num_classes = num_classes

    @property
    def representation(self) -> Representation:
        """Vectors that no label has changed.

        Raises:
            ModelError: the classifier has none.
        """
        return self._background.representation

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in the order of probability columns."""
        return self._background.label_names

    def outside(self, taken: Positions, size: int) -> Positions:
        """Pool positions at which nobody looks in this round, none of them taken: usually none.

        Args:
            taken: positions that cannot be chosen anyway.
            size: how many will be chosen.
        """
        del taken, size
        return np.empty(0, dtype=np.int64)

    def new(self: Self) -> Self:
        """The classifier itself, for small-text's factory interface."""
        return self

    def fit(self: Self, train_set: IndexedDataset, weights: Weights | None = None) -> Self:
        """Nothing; returns itself."""
        del train_set, weights
        return self


def exact_best(
    among: Positions, n: int, rough: Scores | None, exact: Callable[[Positions], Scores]
) -> tuple[Positions, Scores]:
    """The exact best ``n`` of some pool positions, with their scores.

    Args:
        among: pool positions (k,).
        n: how many, at most k.
        rough: scores (k,) that are fast and may be wrong; ``None`` where there are none.
        exact: gives the scores of some of the positions, higher is better.

    Returns:
        Positions (n,) best first, ties in the order of the pool, and their scores (n,).
    """
    if rough is None:
        rows, values = among, exact(among)
    else:
        inside, values = shortlist(rough, n, lambda indices: exact(among[indices]))
        rows = among[inside]
    best = top(values, rows, n)
    return rows[best], values[best]
