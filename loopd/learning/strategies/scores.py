"""Owns how numbers become informativeness, higher first, and an order; must not know strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def top(values: Floats, positions: NDArray[np.int64], n: int) -> NDArray[np.int64]:
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


def informativeness(strategy: Any, chosen: NDArray[np.int64], size: int) -> list[float] | None:
    """Score of each chosen record, higher is more informative; ``None`` where there is none.

    A strategy may leave ``chosen_scores_``, one number for each chosen record, higher first, or as
    small-text's do ``scores_``, one for each record of the pool: then confidences in [0, 1] become
    ``1 - confidence``, and other numbers of which lower is better change their sign.

    Args:
        strategy: the strategy after its ``query``.
        chosen: (k,) positions in the pool.
        size: number of records in the pool.
    """
    owner = _owner(strategy)
    direct = getattr(owner, "chosen_scores_", None)
    if direct is not None:
        return _finite(np.asarray(direct, dtype=np.float64), chosen.size)
    scores = getattr(owner, "scores_", None)
    if scores is None:
        return None
    picked = np.asarray(scores, dtype=np.float64)
    places = _places(strategy, chosen)
    if picked.ndim != 1 or places.size != chosen.size or (picked.size != size and places is chosen):
        return None
    return _finite(_oriented(owner, picked)[places], chosen.size)


def _finite(scores: NDArray[np.float64], size: int) -> list[float] | None:
    usable = scores.shape == (size,) and np.isfinite(scores).all()
    return [float(value) for value in scores] if usable else None


def _owner(strategy: Any) -> Any:
    """The strategy that scores: the one inside, where one narrows the pool for another."""
    return getattr(strategy, "base_query_strategy", strategy)


def _places(strategy: Any, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the scores of the chosen records are.

    small-text's ``SubsamplingQueryStrategy`` scores a subset, and keeps the places in it that were
    chosen (in spite of the attribute's name).
    """
    local = getattr(strategy, "subsampled_indices_", None)
    return chosen if local is None else np.asarray(local)


def _oriented(owner: Any, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not getattr(owner, "lower_is_better", False):
        return scores
    within = scores.size > 0 and scores.min() >= 0 and scores.max() <= 1
    return 1 - scores if within else -scores
