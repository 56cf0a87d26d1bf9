"""Owns how small-text's active learner is asked for one batch; must not keep it for a second.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

import numpy as np
from small_text import PoolBasedActiveLearner

from loopd.errors import ModelError
from loopd.learning.arrays import Mask, Positions
from loopd.learning.dataset import IndexedDataset
from loopd.learning.foreign import calling
from loopd.learning.frozen_classifier import FrozenClassifier
from loopd.learning.labels import Labels
from loopd.learning.protocols import QueryStrategy
from loopd.learning.strategies.scores import informativeness


def query(
    strategy: QueryStrategy,
    model: FrozenClassifier,
    dataset: IndexedDataset,
    size: int,
    *,
    labelled: tuple[Positions, Labels],
    ignored: Positions,
    hidden: Positions | None = None,
) -> tuple[Positions, list[float] | None]:
    """One query of a learner that is built for it alone.

    The learner is rebuilt each time because small-text's ``update()`` takes labels by position and
    is poisoned by a failure; told everything at once, it cannot mix anything up.

    Args:
        strategy: a fresh query strategy.
        model: the trained classifier, or what stands for it before there is one.
        dataset: the pool without labels.
        size: how many records; where fewer are left, all of them are chosen.
        labelled: positions (k,) and their labels: class numbers (k,) or sparse rows (k, C).
        ignored: positions that must not be chosen; strategies may take them for seen by people.
        hidden: positions that strategies are not shown at all, none of them labelled.

    Returns:
        Positions, most informative first, and their scores if the strategy has any.

    Raises:
        ModelError: the strategy fails, or returns something that breaks its contract.
    """
    shown = np.arange(len(dataset))
    if hidden is not None and len(hidden):
        shown = np.setdiff1d(shown, hidden)
        dataset = dataset[shown].clone()
        labelled = (np.searchsorted(shown, labelled[0]), labelled[1])
        ignored = np.searchsorted(shown, np.setdiff1d(ignored, hidden))
    free = np.ones(len(dataset), dtype=bool)
    free[labelled[0]] = free[ignored] = False
    size = min(size, int(free.sum()))
    if size <= 0:
        return np.empty(0, dtype=np.int64), None
    learner = PoolBasedActiveLearner(model, strategy, dataset)
    learner.initialize_data(*labelled, indices_ignored=ignored)
    with calling(f"the query strategy {strategy}"):
        indices = np.asarray(learner.query(num_samples=size))
    _refuse_bad_choice(strategy, indices, size, free)
    indices, scores = _ordered(indices, informativeness(strategy, indices, len(dataset)))
    return shown[indices], scores


def _refuse_bad_choice(strategy: QueryStrategy, indices: Positions, size: int, free: Mask) -> None:
    whole = np.issubdtype(indices.dtype, np.integer)
    if not whole or indices.shape != (size,) or np.unique(indices).size != size:
        raise ModelError(f"the query strategy {strategy} did not choose {size} different records")
    if indices.min() < 0 or indices.max() >= len(free) or not free[indices].all():
        raise ModelError(f"the query strategy {strategy} chose records that it must not choose")


def _ordered(
    indices: Positions, scores: list[float] | None
) -> tuple[Positions, list[float] | None]:
    """Most informative first, ties in the order of the pool."""
    if scores is None:
        return indices, None
    order = np.lexsort((indices, -np.array(scores)))
    return indices[order], [scores[index] for index in order]
