"""Owns the likeliest legal tags of texts; must not know what tags stand for beyond B and I."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Floats, Positions, Scores

FLOOR = 1e-12
"""Least probability whose logarithm is taken."""


def best_paths(proba: Floats, offsets: Positions) -> tuple[Positions, Scores]:
    """The likeliest tags of each text in which every inside tag follows its begin or inside.

    Texts are walked side by side: the time is that of the longest one.

    Source: Viterbi 1967, with transitions that are either free or forbidden.

    Args:
        proba: (T, K) of each atom, K = 2C + 1 tags as in ``alignment.Tags``.
        offsets: (n + 1,) where each text's atoms begin.

    Returns:
        Tags (T,), of equal paths the one with smaller tags at its end, and the sum of the
        logarithms of their probabilities for each text (n,).
    """
    logs = np.log(np.maximum(proba, FLOOR).astype(np.float64))
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = offsets[:-1][order], lengths[order]
    back = np.zeros(proba.shape, dtype=np.int16)
    score = np.zeros((len(order), proba.shape[1]))
    for step in range(int(lengths.max(initial=0))):
        active = int((lengths > step).sum())
        here = starts[:active] + step
        if step == 0:
            score[:active] = logs[here]
            score[:active, 2::2] = -np.inf
        else:
            before, back[here] = _transition(score[:active])
            score[:active] = before + logs[here]
    tags = np.zeros(len(proba), dtype=np.int64)
    at_end = score.argmax(axis=1)
    last = at_end.copy()
    for step in range(int(lengths.max(initial=0)) - 1, -1, -1):
        active = int((lengths > step).sum())
        here = starts[:active] + step
        tags[here] = last[:active]
        last[:active] = back[here, last[:active]]
    total = np.empty(len(order))
    total[order] = score[np.arange(len(order)), at_end]
    return tags, total


def _transition(score: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Best score (m, K) of a path up to the tag before each tag, and that tag."""
    anything = score.argmax(axis=1)
    best = np.repeat(score.max(axis=1)[:, None], score.shape[1], axis=1)
    tags = np.repeat(anything[:, None], score.shape[1], axis=1)
    inside = np.arange(2, score.shape[1], 2)
    goes_on = score[:, inside] > score[:, inside - 1]
    best[:, inside] = np.maximum(score[:, inside], score[:, inside - 1])
    tags[:, inside] = np.where(goes_on, inside, inside - 1)
    return best, tags
