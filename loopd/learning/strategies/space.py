"""Owns what strategies ask a pool and a model for: vectors, candidates, picks; must not choose.

Everything here works with loopd's own data set and classifiers, and with plain small-text ones as
far as those can.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.arrays import Floats, Positions, Score, Scores, Vectors
from loopd.learning.dataset import IndexedDataset
from loopd.learning.fitted import FittedClassifier
from loopd.learning.frozen_classifier import FrozenClassifier
from loopd.learning.protocols import StrategyModel
from loopd.learning.strategies.scores import top
from loopd.learning.unit_vectors import unit

CANDIDATES = 50_000
"""A larger pool is narrowed to so many random records where time or memory need it."""

ROWS_AT_ONCE = 8192
"""Rows of a block, so that no matrix of pool times anything is built at once."""

SPACES = ("embedding", "representation")


def generator() -> np.random.Generator:
    """A generator that follows numpy's global one, which the learner seeds before each query."""
    # NPY002: small-text's strategies all draw from the global generator, and so must ours.
    return np.random.default_rng(np.random.randint(0, 2**31, size=4))  # noqa: NPY002


def candidates(indices: Positions, at_most: int, n: int, rng: np.random.Generator) -> Positions:
    """The indices, or where they are too many a random part of them, in their order.

    Args:
        indices: of the records that may be chosen.
        at_most: how many may stay; never fewer than ``n`` do.
        n: how many will be chosen.
        rng: nothing is drawn from it where all may stay.
    """
    at_most = max(at_most, n)
    if len(indices) <= at_most:
        return indices
    return np.asarray(indices[np.sort(rng.choice(len(indices), at_most, replace=False))])


def covered(dataset: IndexedDataset, indices_unlabeled: Positions) -> Positions:
    """Records that people know already: labelled, out with annotators, or discarded."""
    open_ = np.zeros(len(dataset), dtype=bool)
    open_[indices_unlabeled] = True
    return np.flatnonzero(~open_)


def is_cold(model: StrategyModel) -> bool:
    """Whether there is no model yet."""
    return isinstance(model, FrozenClassifier) and model.cold


def refuse_unknown_space(space: str) -> None:
    """Check the option ``space``.

    Raises:
        ModelError: it is none of ``SPACES``.
    """
    if space not in SPACES:
        raise ModelError(f"unknown space {space!r}", f"known: {', '.join(SPACES)}")


def vectors(
    model: StrategyModel, dataset: IndexedDataset, indices: Positions, space: str
) -> Vectors:
    """Vectors (k, d) of length 1.

    Args:
        model: the classifier; before there is one it has only a representation.
        dataset: the pool or a view of it.
        indices: (k,) relative to the data set.
        space: ``embedding`` is the present model's, ``representation`` is of before any label.

    Raises:
        ModelError: the classifier has no such vectors.
    """
    if space == "representation" or is_cold(model):
        return represented(model, dataset, indices)
    return unit(np.asarray(model.embed(dataset[indices], pbar=None), dtype=np.float32))


def represented(model: StrategyModel, dataset: IndexedDataset, indices: Positions) -> Vectors:
    """Vectors (k, d) that no label has changed.

    Raises:
        ModelError: the classifier has none.
    """
    if not isinstance(model, FrozenClassifier):
        raise ModelError(
            "the strategy needs a representation of the texts, which the classifier has not",
            "use one of loopd's own classifiers, or another strategy",
        )
    return np.asarray(model.representation.pool[rows(dataset, indices)], dtype=np.float32)


def rows(dataset: IndexedDataset, indices: Positions) -> Positions:
    """Pool positions of indices relative to a data set that may be a view of the pool."""
    own = isinstance(dataset, IndexedDataset)  # a plain small-text one is the pool
    return np.asarray(dataset.rows[indices], dtype=np.int64) if own else indices


def most_informative(
    model: StrategyModel, dataset: IndexedDataset, indices: Positions, n: int, score: Score
) -> tuple[Positions, Scores]:
    """The ``n`` best of the indices by a score of their probabilities, and the scores.

    Through the classifier's own ``most_informative`` where it has one, which may screen the pool
    in low precision and decide in full; a plain small-text classifier scores them all.
    """
    if not isinstance(model, FittedClassifier):
        values = score(model.predict_proba(dataset[indices]))
        best = top(values, indices, n)
        return indices[best], values[best]
    positions = rows(dataset, indices)
    best_positions, values = model.most_informative(score, positions, n)
    return at_positions(indices, positions, best_positions), values


def at_positions(indices: Positions, positions: Positions, some: Positions) -> Positions:
    """Those of the indices (k,) whose pool positions (k,) are some, in the order of these."""
    order = np.argsort(positions, kind="stable")
    return indices[order[np.searchsorted(positions[order], some)]]


def blocks(count: int) -> Iterator[slice]:
    """Slices of at most ``ROWS_AT_ONCE`` that cover ``count`` rows."""
    for start in range(0, count, ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, count))


def nearest_similarity(some: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    """Largest cosine (m,) of each row (m, d) with any of the others; ``-inf`` without others."""
    best = np.full(len(some), -np.inf, dtype=np.float32)
    for part in blocks(len(others)):
        for block in blocks(len(some)):
            largest = (some[block] @ others[part].T).max(axis=1)
            best[block] = np.maximum(best[block], largest)
    return best
