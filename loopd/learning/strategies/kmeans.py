"""Owns the k-means++ draw over outer products of two factors; must not know what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def spread(left: Floats, right: Floats, n: int) -> NDArray[np.int64]:
    """Draw ``n`` different rows far from each other (Arthur and Vassilvitskii 2007).

    The vector of row i is the outer product of ``left[i]`` and ``right[i]``, never built: its inner
    product with that of row j is ``(left[i] . left[j]) * (right[i] . right[j])``. The first row is
    the longest vector, as in the published BADGE; the others are drawn with a probability that
    grows with the squared distance to the nearest one drawn.

    Draws from numpy's global generator, which the learner seeds before each query.

    Args:
        left: (m, a).
        right: (m, b).
        n: how many, at most m.

    Returns:
        Rows (n,) in the order of drawing.
    """
    lengths = (left**2).sum(axis=1) * (right**2).sum(axis=1)
    chosen = [int(lengths.argmax())]
    nearest = np.full(len(left), np.inf)
    while len(chosen) < n:
        last = chosen[-1]
        inner = (left @ left[last]) * (right @ right[last])
        nearest = np.minimum(nearest, np.maximum(lengths + lengths[last] - 2 * inner, 0))
        nearest[chosen] = 0
        chosen.append(_draw(nearest, chosen))
    return np.array(chosen)


def _draw(mass: Floats, taken: list[int]) -> int:
    """One row by its mass; where none is left (all alike), any row that is not taken."""
    total = mass.sum()
    if total <= 0:
        mass = np.ones(len(mass))
        mass[taken] = 0
        total = mass.sum()
    # NPY002: small-text's strategies all draw from this generator, and the learner seeds it.
    return int(np.random.choice(len(mass), p=mass / total))  # noqa: NPY002
