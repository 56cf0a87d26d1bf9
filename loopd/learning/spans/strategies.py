"""Owns the strategies that ask a tagger how sure it is of each token; must not tag or train."""

from __future__ import annotations

import numpy as np

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Proba, Score, Scores, TokenScore
from loopd.learning.dataset import IndexedDataset
from loopd.learning.protocols import StrategyModel, TagsTokens
from loopd.learning.spans.fitted import FittedTagger
from loopd.learning.spans.viterbi import best_paths
from loopd.learning.strategies import uncertainty
from loopd.learning.strategies.diverse_margin import central
from loopd.learning.strategies.scores import top
from loopd.learning.strategies.space import (
    at_positions,
    candidates,
    generator,
    refuse_unknown_space,
    rows,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection

CANDIDATES = 20_000
"""Of a larger pool, so many random texts are tagged in a round."""


def aggregated(values: Scores, offsets: Positions, aggregate: str) -> Scores:
    """From values of tokens to values of texts.

    Args:
        values: (T,) text by text.
        offsets: (n + 1,) where each text's begin.
        aggregate: ``mean``, ``max`` or ``sum``.

    Returns:
        (n,), 0 for a text without a token.
    """
    combined = np.zeros(len(offsets) - 1)
    some = np.flatnonzero(np.diff(offsets))
    if len(some):
        reduce = np.maximum if aggregate == "max" else np.add
        combined[some] = reduce.reduceat(values, offsets[some])
    if aggregate == "mean":
        combined[some] /= np.diff(offsets)[some]
    return combined


def mnlp(proba: Proba, offsets: Positions) -> Scores:
    """Minus the mean logarithm of the probabilities of a text's likeliest legal tags (n,), nats."""
    _, totals = best_paths(proba, offsets)
    return np.asarray(-totals / np.maximum(np.diff(offsets), 1)) + 0.0


class ByTokens(ChoosingStrategy):
    """Texts by a score of their tokens' probabilities; what the strategies below have in common.

    Attributes:
        score: informativeness of texts, higher is more informative.
        candidates: a larger pool is narrowed to so many random records.
    """

    score: TokenScore
    candidates: int

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), least sure first."""
        free = candidates(context.unlabeled, self.candidates, n, generator())
        return Selection(*least_sure(context.model, context.pool, free, n, self.score))


class TokenLeastConfidence(ByTokens):
    """Texts whose tokens' best tags are least probable.

    Paper: Culotta and McCallum 2005 (AAAI), by token instead of by sequence. Cost: tagging the
    pool. Needs: a tagger. Draws only to narrow the pool. Scores: 1 - probability of the best tag,
    over the tokens.

    Args:
        aggregate: ``mean``, ``max`` or ``sum`` over the tokens; ``sum`` prefers long texts.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, aggregate: str = "mean", candidates: int = CANDIDATES) -> None:
        self.score = _score(lambda proba: 1 + uncertainty.largest(proba), aggregate)
        self.aggregate = aggregate
        self.candidates = candidates

    def __str__(self) -> str:
        return f"TokenLeastConfidence(aggregate={self.aggregate})"


class TokenEntropy(ByTokens):
    """Texts whose tokens' tags have the largest entropy.

    Paper: Settles and Craven 2008 (EMNLP): token entropy for ``mean``, total for ``sum``. Cost:
    tagging the pool. Needs: a tagger. Draws only to narrow the pool. Scores: entropy in nats, over
    the tokens.

    Args:
        aggregate: ``mean``, ``max`` or ``sum`` over the tokens; ``sum`` prefers long texts.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, aggregate: str = "mean", candidates: int = CANDIDATES) -> None:
        self.score = _score(uncertainty.entropy, aggregate)
        self.aggregate = aggregate
        self.candidates = candidates

    def __str__(self) -> str:
        return f"TokenEntropy(aggregate={self.aggregate})"


class TokenMargin(ByTokens):
    """Texts whose tokens' two likeliest tags are nearest to each other.

    Paper: Scheffer et al. 2001, which scores tokens by their margin. Cost: tagging the pool. Needs:
    a tagger. Draws only to narrow the pool. Scores: 1 - margin, over the tokens.

    Args:
        aggregate: ``mean``, ``max`` or ``sum`` over the tokens; ``sum`` prefers long texts.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, aggregate: str = "mean", candidates: int = CANDIDATES) -> None:
        self.score = _score(lambda proba: 1 + uncertainty.margin(proba), aggregate)
        self.aggregate = aggregate
        self.candidates = candidates

    def __str__(self) -> str:
        return f"TokenMargin(aggregate={self.aggregate})"


class MNLP(ByTokens):
    """Texts whose likeliest tags are least probable, for their length.

    Paper: Shen et al. 2018, arXiv 1707.05928 (maximum normalized log-probability). Cost: tagging
    the pool and searching the likeliest tags. Needs: a tagger. Draws only to narrow the pool.
    Scores: minus the mean logarithm of the probabilities of these tags, in nats.

    Args:
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(self, candidates: int = CANDIDATES) -> None:
        self.score = mnlp
        self.candidates = candidates

    def __str__(self) -> str:
        return "MNLP()"


class DiverseTokens(ChoosingStrategy):
    """The texts with the least sure tokens, clustered; of each cluster the one nearest its centre.

    Paper: Zhdanov 2019 (arXiv 1901.05954), without weights, over token entropy. Cost: tagging the
    pool and embedding ``factor * n`` texts; then k-means over these. Needs: a tagger. Draws the
    start of k-means. Scores: entropy in nats, over the tokens.

    Args:
        factor: unsure texts for each one that is chosen.
        aggregate: ``mean``, ``max`` or ``sum`` over the tokens.
        space: ``embedding`` (the present model's) or ``representation``.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(
        self,
        factor: int = 3,
        aggregate: str = "sum",
        space: str = "embedding",
        candidates: int = CANDIDATES,
    ) -> None:
        refuse_unknown_space(space)
        self.score = _score(uncertainty.entropy, aggregate)
        self.factor = factor
        self.aggregate = aggregate
        self.space = space
        self.candidates = candidates

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), least sure first."""
        rng = generator()
        free = candidates(context.unlabeled, self.candidates, n, rng)
        size = min(len(free), max(n, self.factor * n))
        unsure, values = least_sure(context.model, context.pool, free, size, self.score)
        ranks = np.arange(n)
        if size > n:
            ranks = central(context.vectors(unsure, self.space), n, rng)
        return Selection(unsure[ranks], values[ranks])

    def __str__(self) -> str:
        return (
            f"DiverseTokens(factor={self.factor}, aggregate={self.aggregate}, space={self.space})"
        )


def least_sure(
    model: StrategyModel, dataset: IndexedDataset, indices: Positions, n: int, score: TokenScore
) -> tuple[Positions, Scores]:
    """The ``n`` best of the indices by a score of their tokens' probabilities, and the scores.

    Ties are in the order of the pool.

    Raises:
        ModelError: the classifier is no tagger.
    """
    if isinstance(model, FittedTagger):
        positions = rows(dataset, indices)
        best_positions, values = model.most_informative_texts(score, positions, n)
        return at_positions(indices, positions, best_positions), values
    if not isinstance(model, TagsTokens):
        raise ModelError(
            "the strategy needs a model that tags tokens", "use it with spans, or another strategy"
        )
    values = score(*model.token_proba(dataset[indices]))
    best = top(values, indices, n)
    return indices[best], values[best]


AGGREGATES = ("mean", "max", "sum")


def _score(of_tokens: Score, aggregate: str) -> TokenScore:
    """The score of texts that aggregates one of tokens.

    Raises:
        ModelError: the aggregate is none of ``AGGREGATES``.
    """
    if aggregate not in AGGREGATES:
        raise ModelError(f"unknown aggregate {aggregate!r}", f"known: {', '.join(AGGREGATES)}")
    return lambda proba, offsets: aggregated(of_tokens(proba), offsets, aggregate)
