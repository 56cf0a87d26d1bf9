"""Owns the linear head that ends every classifier of ours; must not know what features mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LinearHead:
    """Softmax over the classes that were seen in training; the others get probability zero.

    Attributes:
        weight: (K, d) float32, one row for each class seen.
        bias: (K,) float32.
        classes: (K,) class numbers, ascending.
        num_classes: C, the number of columns that ``proba`` gives.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    classes: NDArray[np.int64]
    num_classes: int

    def proba(self, features: Any) -> NDArray[np.float32]:
        """Probabilities (n, C) of dense or sparse features (n, d)."""
        logits = np.asarray(features @ self.weight.T, dtype=np.float64) + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        grown = np.exp(logits)
        result = np.zeros((grown.shape[0], self.num_classes), dtype=np.float32)
        result[:, self.classes] = grown / grown.sum(axis=1, keepdims=True)
        return result

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """The head as arrays."""
        return {"head.weight": self.weight, "head.bias": self.bias, "head.classes": self.classes}


def from_tensors(tensors: Mapping[str, NDArray[np.generic]], num_classes: int) -> LinearHead:
    """The head that ``LinearHead.tensors`` wrote down.

    Raises:
        KeyError, ValueError: the arrays do not fit.
    """
    head = LinearHead(
        weight=tensors["head.weight"].astype(np.float32),
        bias=tensors["head.bias"].astype(np.float32),
        classes=tensors["head.classes"].astype(np.int64),
        num_classes=num_classes,
    )
    if head.weight.shape[0] != head.classes.shape[0] or head.classes.max() >= num_classes:
        raise ValueError("the head belongs to other classes")
    return head


def fit_head(
    features: Any,
    y: NDArray[np.int64],
    num_classes: int,
    *,
    c: float,
    balanced: bool = False,
    weights: NDArray[np.float32] | None = None,
) -> LinearHead:
    """Multinomial logistic regression by L-BFGS (scikit-learn), deterministic.

    Args:
        features: (n, d) dense or sparse.
        y: (n,) class numbers; classes may be missing but not all but one.
        num_classes: C.
        c: inverse strength of the L2 penalty.
        balanced: whether rare classes weigh more.
        weights: (n,) sample weights.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=2000, class_weight="balanced" if balanced else None)
    model.fit(features, y, sample_weight=weights)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row: the second class against the first
        weight, bias = np.vstack([0 * weight, weight]), np.concatenate([[0.0], bias])
    # Row-major, as it is read back: another order of the same numbers adds up differently.
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    return LinearHead(weight, bias.astype(np.float32), model.classes_.astype(np.int64), num_classes)
