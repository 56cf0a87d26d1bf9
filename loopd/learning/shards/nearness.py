"""Owns how an engine compares a pool with some texts: one number for each text comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Floats, Vectors
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.features.frozen import FrozenRepresentation, joined_views
from loopd.learning.features.intakes import PoolRows
from loopd.learning.representation import Representation
from loopd.learning.strategies.space import nearest_similarity


@dataclass(frozen=True)
class PoolComparison:
    """Frozen vectors of a pool, on disk, and the texts that it is compared with.

    Attributes:
        layers, last: the two views, as ``FrozenRepresentation`` joins them.
        means: of both.
        others: vectors (k, d) of the texts.
    """

    layers: PoolRows
    last: PoolRows
    means: tuple[Vectors, Vectors]
    others: Vectors


def compare(with_others: PoolComparison, piece: tuple[int, int]) -> Floats:
    """Largest cosine (m,) of each row from the first number to before the second with any other."""
    rows = np.arange(*piece)
    vectors = joined_views(with_others.layers[rows], with_others.last[rows], with_others.means)
    return nearest_similarity(vectors, with_others.others)


def similarities(
    context: ClassifierContext,
    representation: Representation | None,
    others: Vectors,
    at_once: int,
) -> Iterator[Floats] | None:
    """Largest cosines (m,) of the pool's texts with any of the others, so many at once, in order.

    ``None`` where there are no workers, or no vectors on disk that these could read.
    """
    if not context.engine.spreads or not isinstance(representation, FrozenRepresentation):
        return None
    features, means = representation.features, representation.means
    with_others = PoolComparison(features.pool, features.last, means, others)
    count = len(context.pool)
    pieces = [(start, min(count, start + at_once)) for start in range(0, count, at_once)]
    return context.engine.run(compare, with_others, pieces, context.interrupt)
