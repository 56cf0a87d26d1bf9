"""Owns how a query strategy is asked: records by id outside, positions of the pool inside.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from loopd.config import StrategySection
from loopd.learning import seeding, small_text_query
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.frozen_classifier import FrozenClassifier
from loopd.learning.pool_rows import PoolRows
from loopd.learning.protocols import Features
from loopd.learning.strategies import registry as strategies
from loopd.learning.training_sets import TrainingSets
from loopd.records import BatchItem, PoolId, Targets


def asked(
    sets: TrainingSets,
    features: Features,
    section: StrategySection,
    classifier: FrozenClassifier,
    *,
    size: int,
    round: int,  # noqa: A002
    taken: tuple[Targets, Collection[PoolId], Collection[PoolId]],
) -> BatchChoice:
    """What a strategy chooses of what is neither labelled, nor excluded, nor hidden.

    Args:
        sets: of the pool.
        features: of the pool.
        section: settings of the strategy.
        classifier: the trained model, or what stands for it before there is one.
        size: how many; fewer where fewer are left.
        round: number of the batch.
        taken: targets by record id; ids that must not be chosen; and ids of which the strategy
            must not know.

    Raises:
        ModelError: the strategy cannot be built, fails, or breaks its contract.
    """
    (targets, exclude, hidden), context = taken, sets.context
    rows = PoolRows(context.pool).of
    positions, y = sets.aligned(targets)
    unseen = rows(hidden)
    ignored = np.setdiff1d(np.union1d(rows(exclude), unseen), positions)
    if strategies.asks_the_model(section):
        unseen = np.union1d(unseen, classifier.outside(np.union1d(ignored, positions), size))
    strategy = strategies.create(section, context.num_classes, context.code_paths)
    with seeding.seeded(seeding.for_step(sets.seed, round, "query")):
        indices, scores = small_text_query.query(
            strategy,
            classifier,
            sets.problem.pool(features),
            size,
            labelled=(positions, sets.problem.told(y)),
            ignored=ignored,
            hidden=unseen,
        )
    ids = context.pool.ids_at(indices)
    items = tuple(map(BatchItem, ids, scores) if scores else map(BatchItem, ids))
    return BatchChoice(items, strategies.used(section, strategy), strategies.own_reason(strategy))
