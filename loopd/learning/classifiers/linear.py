"""Owns the linear head that ends every classifier of ours; must not know what features mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from loopd.learning.arrays import Floats, Positions, Proba, Tensors, Vectors, Weights
from loopd.learning.labels import Labels, SparseLabels, several

MULTI_LABEL = "head.multi_label"
"""Name of the array that marks a saved head as one for several labels per text."""

THRESHOLDS = "head.thresholds"
"""Name of the array of a saved head's thresholds."""

Rows: TypeAlias = "Floats | csr_matrix"
"""Features (n, d), dense or sparse."""


@dataclass(frozen=True)
class LinearHead:
    """Softmax over the classes that were seen in training; the others get probability zero.

    Attributes:
        weight: (K, d) float32, one row for each class seen.
        bias: (K,) float32.
        classes: (K,) class numbers, ascending.
        num_classes: C, the number of columns that ``proba`` gives.
        multi_label: whether the classes are independent of each other, each with a sigmoid.
        thresholds: (C,) float32, the probabilities from which on a text has a label; ``None`` is
            one half for each.
    """

    weight: Vectors
    bias: Vectors
    classes: Positions
    num_classes: int
    multi_label: bool = False
    thresholds: Proba | None = None

    def proba(self, features: Rows) -> Proba:
        """Probabilities (n, C) of dense or sparse features (n, d)."""
        logits = np.asarray(features @ self.weight.T, dtype=np.float64) + self.bias
        result = np.zeros((logits.shape[0], self.num_classes), dtype=np.float32)
        result[:, self.classes] = _sigmoid(logits) if self.multi_label else _softmax(logits)
        return result

    def decided(self, proba: Proba) -> Labels:
        """Class numbers (n,), or a sparse (n, C) matrix of what reaches its threshold."""
        if self.multi_label:
            least = 0.5 if self.thresholds is None else self.thresholds
            label_sets: SparseLabels = csr_matrix(proba >= least, dtype=np.int64)
            return label_sets
        return np.asarray(proba.argmax(axis=1))

    def tensors(self) -> Tensors:
        """The head as arrays."""
        mark: dict[str, NDArray[np.generic]] = {}
        if self.multi_label:
            mark[MULTI_LABEL] = np.ones(1, dtype=np.uint8)
        if self.thresholds is not None:
            mark[THRESHOLDS] = self.thresholds
        return {
            "head.weight": self.weight,
            "head.bias": self.bias,
            "head.classes": self.classes,
            **mark,
        }


def from_tensors(tensors: Tensors, num_classes: int) -> LinearHead:
    """The head that ``LinearHead.tensors`` wrote down.

    Raises:
        KeyError, ValueError: the arrays do not fit.
    """
    head = LinearHead(
        weight=tensors["head.weight"].astype(np.float32),
        bias=tensors["head.bias"].astype(np.float32),
        classes=tensors["head.classes"].astype(np.int64),
        num_classes=num_classes,
        multi_label=MULTI_LABEL in tensors,
        thresholds=tensors[THRESHOLDS].astype(np.float32) if THRESHOLDS in tensors else None,
    )
    count = head.classes.shape[0]
    fits = head.weight.shape[:1] == head.bias.shape == (count,)
    fits = fits and (head.thresholds is None or head.thresholds.shape == (num_classes,))
    if not fits or (count and head.classes.max() >= num_classes):
        raise ValueError("the head belongs to other classes")
    return head


def fit_head(
    features: Rows,
    y: Labels,
    num_classes: int,
    *,
    c: float,
    balanced: bool = False,
    weights: Weights | None = None,
) -> LinearHead:
    """Logistic regression by L-BFGS (scikit-learn), deterministic.

    One label for each row is multinomial regression; several are one regression for each class
    against the rest. Dense features with more columns than rows are first turned into the span of
    their rows: the best weights lie in it, so that the result is the same and comes much sooner.

    Args:
        features: (n, d) dense or sparse.
        y: (n,) class numbers, of which some may be missing but not all but one; or a sparse (n, C)
            matrix of zeros and ones.
        num_classes: C.
        c: inverse strength of the L2 penalty.
        balanced: whether rare classes weigh more.
        weights: (n,) sample weights.
    """
    rows, back = _spanned(features)
    options: dict[str, object] = {
        "C": c,
        "max_iter": 2000,
        "class_weight": "balanced" if balanced else None,
    }
    if back is not None:
        options["tol"] = 1e-5  # cheap in the small space, and nearer to the one true optimum
    if several(y):
        weight, bias, classes = _one_against_rest(rows, y, options, weights)
    else:
        weight, bias, classes = _multinomial(rows, y, options, weights)
    if back is not None:
        weight = back(weight)
    # Row-major, as it is read back: another order of the same numbers adds up differently.
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    return LinearHead(weight, bias.astype(np.float32), classes, num_classes, multi_label=several(y))


def _multinomial(
    rows: Rows, y: Positions, options: dict[str, object], weights: Weights | None
) -> tuple[Floats, Floats, Positions]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(**options).fit(rows, y, sample_weight=weights)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row: the second class against the first
        weight, bias = np.vstack([0 * weight, weight]), np.concatenate([[0.0], bias])
    return weight, bias, model.classes_.astype(np.int64)


def _one_against_rest(
    rows: Rows, y: SparseLabels, options: dict[str, object], weights: Weights | None
) -> tuple[Floats, Floats, Positions]:
    """One regression for each class that some row has; the others are not among the classes."""
    from sklearn.linear_model import LogisticRegression

    table = y.toarray() > 0
    classes = np.flatnonzero(table.any(axis=0))
    weight = np.zeros((len(classes), rows.shape[1]))
    bias = np.full(len(classes), np.log(table.shape[0] + 1.0))  # all rows have it, but for one more
    for index, number in enumerate(classes):
        if not table[:, number].all():
            model = LogisticRegression(**options)
            model.fit(rows, table[:, number], sample_weight=weights)
            weight[index], bias[index] = model.coef_[0], model.intercept_[0]
    return weight, bias, classes.astype(np.int64)


def _spanned(features: Rows) -> tuple[Rows, Callable[[Floats], Floats] | None]:
    """Coordinates (n, r) of the rows in an orthonormal basis of their span, and the way back.

    The L2 penalty is the length of the weights, which a rotation leaves as it is; what is
    orthogonal to all rows changes no score, so the best weights have none of it.
    """
    if issparse(features) or features.shape[0] >= features.shape[1]:
        return features, None
    dense = np.asarray(features, dtype=np.float64)
    squares, basis = np.linalg.eigh(dense @ dense.T)
    kept = squares > 1e-10 * squares[-1]
    if not kept.any():  # nothing but zeros
        return features, None
    lengths, basis = np.sqrt(squares[kept]), basis[:, kept]

    def back(weight: Floats) -> Floats:
        original: Floats = (weight @ (basis / lengths).T) @ dense
        return original

    return basis * lengths, back


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    halves: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * logits))
    return halves
