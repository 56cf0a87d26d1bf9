"""Owns k-means++ draws and k-means, both seeded; must not know what the vectors mean.

Written here because scikit-learn's adds up its threads' results in the order in which they come,
so that the last bits, and now and then a cluster, differ between two runs with one seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.learning.arrays import Floats, Positions


def spread(
    left: Floats,
    right: Floats,
    n: int,
    rng: np.random.Generator,
    *,
    first: int | None = None,
    nearest: Floats | None = None,
) -> Positions:
    """Draw ``n`` different rows far from each other (Arthur and Vassilvitskii 2007).

    The vector of row i is the outer product of ``left[i]`` and ``right[i]``, never built: its inner
    product with that of row j is ``(left[i] . left[j]) * (right[i] . right[j])``. Each row is
    drawn with a probability that grows with the squared distance to the nearest one drawn.

    Time grows with n x m x (a + b), memory with m.

    Args:
        left: (m, a); ones (m, 1) for plain vectors.
        right: (m, b).
        n: how many, at most m.
        rng: to draw from.
        first: the first row; ``None`` to draw it.
        nearest: squared distances (m,) to what is covered already; ``None`` if nothing is.

    Returns:
        Rows (n,) in the order of drawing.
    """
    lengths = squared(left) * squared(right)
    mass = np.full(len(left), np.inf) if nearest is None else nearest.astype(np.float64)
    drawn: list[int] = []
    while len(drawn) < n:
        if drawn or first is None:
            drawn.append(_draw(mass, drawn, rng))
        else:
            drawn.append(first)
        last = drawn[-1]
        inner = (left @ left[last]) * (right @ right[last])
        mass = np.minimum(mass, np.maximum(lengths + lengths[last] - 2 * inner, 0))
        mass[drawn] = 0
    return np.array(drawn, dtype=np.int64)


def plain(vectors: Floats) -> tuple[Floats, Floats]:
    """Vectors as the two factors of :func:`spread`."""
    return np.ones((len(vectors), 1), dtype=vectors.dtype), vectors


def squared(vectors: Floats) -> Floats:
    """Squared length of each row."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))


def clusters(
    vectors: NDArray[np.float32], k: int, rng: np.random.Generator, iterations: int = 25
) -> Positions:
    """k-means (Lloyd 1982) from a k-means++ start: the cluster (m,) of each row.

    Time grows with iterations x m x k x d, memory with m x k. Clusters may be empty where rows
    repeat each other.

    Args:
        vectors: (m, d).
        k: number of clusters, at most m.
        rng: to draw the start from.
        iterations: at most so many; it ends when nothing moves.
    """
    centres = vectors[spread(*plain(vectors), k, rng)]
    assigned = _nearest(vectors, centres)
    for _ in range(iterations):
        members = csr_matrix(
            (np.ones(len(vectors), np.float32), (assigned, np.arange(len(vectors)))),
            shape=(k, len(vectors)),
        )
        sizes = np.bincount(assigned, minlength=k)
        means = (members @ vectors) / np.maximum(sizes, 1)[:, None]
        centres = np.where(sizes[:, None] > 0, means, centres).astype(np.float32)
        moved = _nearest(vectors, centres)
        if np.array_equal(moved, assigned):
            break
        assigned = moved
    return assigned


def _nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> Positions:
    inner = vectors @ centres.T
    return np.asarray((inner - squared(centres).astype(np.float32) / 2).argmax(axis=1))


def _draw(mass: Floats, taken: list[int], rng: np.random.Generator) -> int:
    """One row by its mass; where nothing tells them apart, any row that is not taken."""
    if not np.isfinite(mass).all() or mass.sum() <= 0:
        mass = np.ones(len(mass))
        mass[taken] = 0
    return int(rng.choice(len(mass), p=mass / mass.sum()))
