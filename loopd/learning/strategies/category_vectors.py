"""Owns CVIRS, a strategy for several labels: odd label sets near the boundary; must not train."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from loopd.errors import ModelError
from loopd.learning.arrays import Floats, Mask, Scores
from loopd.learning.labels import several
from loopd.learning.strategies.multi_label import thresholds
from loopd.learning.strategies.scores import top
from loopd.learning.strategies.space import blocks
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class CategoryVectors(ChoosingStrategy):
    """Records whose predicted label sets are unlike the labelled ones and whose labels are unsure.

    Paper: Reyes, Morell and Ventura 2018, Neurocomputing 273 (CVIRS). The score is the product of
    two: the mean distance of the predicted label set from those of the labelled records (entropy
    distance; 1 where the sets are each other's opposite), and the mean rank of the record by the
    margin between yes and no over the labels. Label sets come from the classifier's thresholds.

    Cost: scoring the pool; then time pool x different label sets known. Needs: probabilities of
    several labels. Draws nothing. Scores: the product, in [0, 1].
    """

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), highest score first.

        Raises:
            ModelError: there is one label for each text.
        """
        if not several(context.y):
            raise ModelError("category vectors need several labels for each text", "use `margin`")
        proba = np.asarray(context.model.predict_proba(context.pool[context.unlabeled]))
        predicted = proba >= thresholds(context.model)
        values = inconsistency(predicted, context.y.toarray() > 0) * ranking(proba)
        best = top(values, context.unlabeled, n)
        return Selection(context.unlabeled[best], values[best])

    def __str__(self) -> str:
        return "CategoryVectorInconsistencyAndRanking()"


def ranking(proba: Floats) -> NDArray[np.float64]:
    """Mean over the labels of the share of rows (m,) that are surer than the row, in [0, 1]."""
    margins = np.abs(2 * proba.astype(np.float64) - 1)
    order = np.argsort(margins, axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(proba))[:, None], axis=0)
    return np.asarray(1 - ranks.mean(axis=1) / max(1, len(proba) - 1))


def inconsistency(predicted: Mask, labelled: Mask) -> Scores:
    """Mean distance (m,) of label sets (m, C) from those of labelled records (k, C), in [0, 1]."""
    sets, counts = np.unique(labelled, axis=0, return_counts=True)
    distances = np.empty(len(predicted))
    for part in blocks(len(predicted)):
        distances[part] = entropy_distance(predicted[part], sets) @ counts / counts.sum()
    return distances


def entropy_distance(some: Mask, others: Mask) -> Scores:
    """Normalised entropy distance (m, k) of label sets (m, C) and (k, C); 1 for opposites."""
    labels = some.shape[1]
    both = some.astype(np.float32) @ others.astype(np.float32).T
    ours, theirs = some.sum(axis=1)[:, None], others.sum(axis=1)[None, :]
    cells = (both, ours - both, theirs - both, labels - ours - theirs + both)
    joint = _entropy(cells, labels)
    marginal = _entropy((ours, labels - ours), labels) + _entropy((theirs, labels - theirs), labels)
    distance = np.divide(2 * joint - marginal, joint, out=np.zeros_like(joint), where=joint > 1e-12)
    opposite = ours + theirs - 2 * both == labels
    return np.where(opposite, 1.0, np.clip(distance, 0.0, 1.0))


def _entropy(cells: Sequence[Floats], whole: int) -> NDArray[np.float64]:
    """Entropy in nats of the shares that counts have of their sum."""
    shares = [cell.astype(np.float64) / whole for cell in cells]
    return np.asarray(-sum(xlogy(share, share) for share in shares))
