"""Owns which strategy chooses when; must not choose a record itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import QueryStrategy

from loopd.config import StrategySection
from loopd.learning.strategies.scores import informativeness
from loopd.learning.strategies.space import is_cold

Positions = NDArray[np.int64]

LABELS_OF_EACH_CLASS = 10
"""Labels for each class up to which a batch is uncertain and diverse, then uncertain alone."""


class Auto(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Begins with the typical, goes on to the uncertain; the name of what chose is kept.

    Without a model TypiClust chooses; with few labels cluster margin; then the smallest margin.
    Paper: the change from typical to uncertain is that of Hacohen et al. 2022, arXiv 2202.02794.
    Cost and needs: those of the strategy that chooses. Cold start. Scores: those of the strategy.

    Args:
        num_classes: C; given by loopd.
    """

    used_: str | None = None

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,) that the strategy of the hour chooses."""
        from loopd.learning.strategies.registry import create

        self._validate_query_input(indices_unlabeled, n)
        self.used_ = rule(is_cold(clf), len(indices_labeled), self.num_classes)
        inner = create(StrategySection(name=self.used_), self.num_classes)
        chosen = np.asarray(inner.query(clf, dataset, indices_unlabeled, indices_labeled, y, n=n))
        self.chosen_scores_ = informativeness(inner, chosen, len(dataset))
        return chosen

    def __str__(self) -> str:
        return "Auto()"


def rule(cold: bool, labels: int, num_classes: int) -> str:
    """Name of the strategy that chooses.

    Args:
        cold: whether there is no model.
        labels: how many records are labelled.
        num_classes: C.
    """
    if cold:
        return "typiclust"
    return "cluster_margin" if labels < LABELS_OF_EACH_CLASS * num_classes else "breaking_ties"
