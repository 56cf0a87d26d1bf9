"""Owns which strategy chooses when; must not choose a record itself."""

from __future__ import annotations

import numpy as np

from loopd.config import StrategySection
from loopd.learning.protocols import TagsTokens
from loopd.learning.strategies.scores import informativeness
from loopd.learning.strategies.space import is_cold
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection

FIRST = "facility_location"
"""What chooses without a model."""

THEN = "diverse_margin"
"""What chooses with one."""

THEN_SPANS = StrategySection(name="token_entropy", options={"aggregate": "sum"})
"""What chooses with one that tags tokens."""


class Auto(ChoosingStrategy):
    """Begins with what stands for the pool, goes on to the uncertain; says what really chose.

    Without a model facility location chooses: records that together are near to all others, by what
    is known before any label. Then diverse margin does: of the least certain records those in the
    middle of their kind. No threshold, nothing to tune. With several labels for each text it is the
    same two. See docs/benchmarks.md for what it gains.

    Paper: the order from typical to uncertain is that of Hacohen et al. 2022 (arXiv 2202.02794).
    Cost and needs: those of the strategy that chooses. Cold start. Scores: those of the strategy.

    Args:
        num_classes: C; given by loopd.
    """

    used_: str | None = None

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,) that the strategy of the hour chooses."""
        from loopd.learning.strategies.registry import create

        section = StrategySection(name=FIRST if is_cold(context.model) else THEN)
        if isinstance(context.model, TagsTokens):
            section = THEN_SPANS
        self.used_ = section.name
        inner = create(section, self.num_classes)
        told = (context.model, context.pool, context.unlabeled, context.labeled, context.y)
        indices = np.asarray(inner.query(*told, n=n))
        scores = informativeness(inner, indices, len(context.pool))
        return Selection(indices, None if scores is None else np.array(scores))

    def __str__(self) -> str:
        return "Auto()"
