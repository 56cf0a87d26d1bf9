"""Owns out-of-sample predictions by cross-validation; must not know what they are used for.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Mask, Positions, Proba, Scores, Weights
from loopd.learning.dataset import IndexedDataset
from loopd.learning.fitted import checked_proba
from loopd.learning.foreign import calling
from loopd.learning.labels import Labels, several
from loopd.learning.protocols import Classifier
from loopd.learning.seeding import for_step, seeded

Folds: TypeAlias = NDArray[np.int64]


def out_of_fold(
    train_set: IndexedDataset,
    make: Callable[[int], Classifier],
    *,
    folds: int,
    seed: int,
    weights: Weights | None = None,
    always: Mask | None = None,
    elsewhere: Callable[[Sequence[int]], Iterator[Proba]] | None = None,
) -> Proba:
    """Probabilities of labelled rows, each by a classifier that was not shown the row.

    A fresh classifier is trained for each fold on the rows of the others. A label whose examples
    all lie in one fold has probability 0 there. Where the others have no row, or rows of one class
    only, which cannot be trained on, the fold gets their smoothed shares of the classes.

    Args:
        train_set: labelled rows, one label or several for each; at least one row.
        make: gives an untrained small-text classifier for a seed.
        folds: how many, at least 2; no more than there are rows.
        seed: of the folds and of training.
        weights: (n,) sample weights of training.
        always: (n,) rows from which every classifier learns and that none predicts.
        elsewhere: gives what :meth:`FoldParts.proba` does of some parts, in their order, from
            other processes; ``None``: they are trained here.

    Returns:
        (n, C) in the order of the rows, without those of ``always``.

    Raises:
        ModelError: the classifier fails or gives something else than probabilities.
    """
    parts = FoldParts.of(train_set, folds=folds, seed=seed, weights=weights, always=always)
    proba = np.empty((len(train_set), parts.labels), dtype=np.float32)
    of_each: Iterator[Proba] = (parts.proba(number, make) for number in parts.numbers)
    if elsewhere is not None:
        of_each = elsewhere(parts.numbers)
    for number, part in zip(parts.numbers, of_each, strict=True):
        proba[parts.held(number)] = part
    return proba[parts.judged]


@dataclass(frozen=True)
class FoldParts:
    """The parts of a cross-validation, none of which depends on another.

    Attributes:
        train_set, seed, weights: as for :func:`out_of_fold`.
        fold: (n,) number of each row, -1 where every classifier learns from it.
        judged: rows that are predicted.
    """

    train_set: IndexedDataset
    seed: int
    weights: Weights | None
    fold: Folds
    judged: Positions

    @classmethod
    def of(
        cls,
        train_set: IndexedDataset,
        *,
        folds: int,
        seed: int,
        weights: Weights | None = None,
        always: Mask | None = None,
    ) -> FoldParts:
        """The parts of a cross-validation, by the arguments of :func:`out_of_fold`."""
        labels = len(train_set.target_labels)
        fold = np.full(len(train_set), -1, dtype=np.int64)
        judged = np.arange(len(train_set)) if always is None else np.flatnonzero(~always)
        fold[judged] = assigned(train_set.y[judged], labels, min(folds, len(judged)), seed)
        return cls(train_set, seed, weights, fold, judged)

    @property
    def labels(self) -> int:
        """C."""
        return len(self.train_set.target_labels)

    @property
    def numbers(self) -> list[int]:
        """Numbers of the parts, ascending."""
        numbers: list[int] = np.unique(self.fold[self.judged]).tolist()
        return numbers

    def held(self, number: int) -> Positions:
        """Rows (k,) that a part predicts."""
        return np.flatnonzero(self.fold == number)

    def proba(self, number: int, make: Callable[[int], Classifier]) -> Proba:
        """Probabilities (k, C) of the rows of a part, by a classifier that learned from others.

        Raises:
            ModelError: the classifier fails or gives something else than probabilities.
        """
        held, others = self.held(number), np.flatnonzero(self.fold != number)
        if _too_few(self.train_set.y[others]):
            shares = _shares(self.train_set.y[others], self.labels)
            return np.tile(shares.astype(np.float32), (len(held), 1))
        step = for_step(self.seed, number, "fold")
        some = {} if self.weights is None else {"weights": self.weights[others]}
        with seeded(step):
            classifier = make(step)
            with calling("training the classifier"):
                classifier.fit(self.train_set[others], **some)
            return checked_proba(classifier.predict_proba, self.train_set[held], self.labels)


def assigned(y: Labels, num_classes: int, folds: int, seed: int) -> Folds:
    """The fold (n,) of each row, so that every label is spread evenly over the folds.

    Rows of spans are dealt out at random.

    Source: for one label, dealing out class by class as scikit-learn's ``StratifiedKFold`` does;
    for several, the greedy rule of Sechidis et al. 2011 (On the stratification of multi-label
    data): the label with the fewest rows left first, each row to the fold that lacks it most.

    Args:
        y: (n,) class numbers, (n,) tuples of spans, or a sparse (n, C) matrix of zeros and ones.
        num_classes: C.
        folds: k, at least 1.
        seed: of the order in which rows are taken.

    Returns:
        Numbers from 0 to k - 1. For one label the folds' sizes differ by at most one.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(y.shape[0])
    fold = np.empty(len(order), dtype=np.int64)
    if not several(y):
        spans = y.dtype == object
        by_class = order if spans else order[np.argsort(y[order], kind="stable")]
        fold[by_class] = np.arange(len(order)) % folds
        return fold
    table = np.asarray(y.toarray() > 0)[order]
    fold[order] = _greedy(table.reshape(len(order), num_classes), folds)
    return fold


def _greedy(table: Mask, folds: int) -> Folds:
    """The fold (n,) of each row of a matrix (n, C), taken in their order."""
    lacking = np.tile(table.sum(axis=0) / folds, (folds, 1))
    room = np.full(folds, len(table) / folds)
    fold = np.full(len(table), -1, dtype=np.int64)

    def put(row: int, number: int) -> None:
        fold[row] = number
        lacking[number] -= table[row]
        room[number] -= 1

    left = table.sum(axis=0)
    while left.any():
        label = int(np.where(left > 0, left, len(table) + 1).argmin())
        for row in np.flatnonzero(table[:, label] & (fold < 0)):
            put(int(row), int(np.lexsort((-room, -lacking[:, label]))[0]))
        left = table[fold < 0].sum(axis=0)
    for row in np.flatnonzero(fold < 0):
        put(int(row), int(room.argmax()))
    return fold


def _too_few(y: Labels) -> bool:
    """Whether nothing can be learned: no row at all, or for one label a single class."""
    return y.shape[0] == 0 or (not several(y) and len(np.unique(y)) < 2)


def _shares(y: Labels, num_classes: int) -> Scores:
    """Shares of the classes (C,), each counted once more than it occurs."""
    if several(y):
        counts = np.asarray(y.sum(axis=0), dtype=np.float64).ravel()
        return np.asarray((counts + 1) / (y.shape[0] + 2))
    counts = np.bincount(y, minlength=num_classes).astype(np.float64)
    return np.asarray((counts + 1) / (counts.sum() + num_classes))
