"""Owns how a strategy's numbers become informativeness, higher first; must not choose."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def informativeness(strategy: Any, chosen: NDArray[np.int64], size: int) -> list[float] | None:
    """Score of each chosen record, higher is more informative; ``None`` where there is none.

    Confidences in [0, 1] become ``1 - confidence``, other numbers of which lower is better change
    their sign.

    Args:
        strategy: the strategy after its ``query``.
        chosen: (k,) positions in the pool.
        size: number of records in the pool.
    """
    owner = _owner(strategy)
    scores = getattr(owner, "scores_", None)
    if scores is None:
        return None
    picked = np.asarray(scores, dtype=np.float64)
    places = _places(strategy, chosen)
    if picked.ndim != 1 or places.size != chosen.size or (picked.size != size and places is chosen):
        return None
    oriented = _oriented(owner, picked)[places]
    return [float(value) for value in oriented] if np.isfinite(oriented).all() else None


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
