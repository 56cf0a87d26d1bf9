"""Owns how numbers become informativeness, higher first, and an order; must not know strategies."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from loopd.learning.arrays import Floats, Positions, Scores
from loopd.learning.protocols import QueryStrategy


@runtime_checkable
class ShowsScores(Protocol):
    """A strategy that leaves a score for each record that it chose, higher first."""

    @property
    def chosen_scores_(self) -> Floats | None:
        """(k,); ``None`` for none."""
        ...


@runtime_checkable
class KeepsScores(Protocol):
    """One of small-text's, which keeps a score for each record of the pool."""

    @property
    def scores_(self) -> Floats | None:
        """(n,); ``None`` for none."""
        ...


@runtime_checkable
class Directed(Protocol):
    """One whose scores may run the other way."""

    @property
    def lower_is_better(self) -> bool:
        """Whether lower scores are more informative."""
        ...


@runtime_checkable
class Wraps(Protocol):
    """One that narrows the pool for another strategy."""

    @property
    def base_query_strategy(self) -> QueryStrategy:
        """The other, which scores."""
        ...


@runtime_checkable
class Subsamples(Protocol):
    """small-text's ``SubsamplingQueryStrategy``, whose strategy scores a part of the pool."""

    @property
    def subsampled_indices_(self) -> Positions | None:
        """Indices within that part of what was chosen, in spite of the name."""
        ...


def top(values: Floats, positions: Positions, n: int) -> Positions:
    """Where the ``n`` largest values are, largest first, equal ones in the order of positions.

    Args:
        values: (m,); what is not a number comes last.
        positions: (m,) in the pool.
        n: how many, at most m.
    """
    values = np.where(np.isnan(values), -np.inf, values)
    if 0 < n < len(values):
        least = np.partition(values, len(values) - n)[len(values) - n]
        near = np.flatnonzero(values >= least)
    else:
        near = np.arange(len(values))
    order = np.lexsort((positions[near], -values[near]))[:n]
    return np.asarray(near[order], dtype=np.int64)


def informativeness(strategy: QueryStrategy, picked: Positions, size: int) -> list[float] | None:
    """Score of each chosen record, higher is more informative; ``None`` where there is none.

    A strategy may leave ``chosen_scores_``, one number for each chosen record, higher first, or as
    small-text's do ``scores_``, one for each record of the pool: then confidences in [0, 1] become
    ``1 - confidence``, and other numbers of which lower is better change their sign.

    Args:
        strategy: the strategy after its ``query``.
        picked: (k,) positions in the pool.
        size: number of records in the pool.
    """
    owner = _owner(strategy)
    direct = owner.chosen_scores_ if isinstance(owner, ShowsScores) else None
    if direct is not None:
        return _finite(np.asarray(direct, dtype=np.float64), picked.size)
    kept = owner.scores_ if isinstance(owner, KeepsScores) else None
    if kept is None:
        return None
    scores = np.asarray(kept, dtype=np.float64)
    rows = _scored_rows(strategy, picked)
    if scores.ndim != 1 or rows.size != picked.size or (scores.size != size and rows is picked):
        return None
    return _finite(_oriented(owner, scores)[rows], picked.size)


def _finite(scores: Scores, size: int) -> list[float] | None:
    usable = scores.shape == (size,) and np.isfinite(scores).all()
    return [float(value) for value in scores] if usable else None


def _owner(strategy: QueryStrategy) -> QueryStrategy:
    """The strategy that scores: the one inside, where one narrows the pool for another."""
    return strategy.base_query_strategy if isinstance(strategy, Wraps) else strategy


def _scored_rows(strategy: QueryStrategy, picked: Positions) -> Positions:
    """Where the scores of the picked records are."""
    local = strategy.subsampled_indices_ if isinstance(strategy, Subsamples) else None
    return picked if local is None else np.asarray(local)


def _oriented(owner: QueryStrategy, scores: Scores) -> Scores:
    if not (isinstance(owner, Directed) and owner.lower_is_better):
        return scores
    within = scores.size > 0 and scores.min() >= 0 and scores.max() <= 1
    return 1 - scores if within else -scores
