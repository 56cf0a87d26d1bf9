"""Owns how rough scores of many rows narrow down which few need exact ones; must not score itself.

Scoring a pool in bf16 takes a quarter of the time of full precision but moves the margins by a few
hundredths, enough to publish another batch. So the rough scores only say who is in the running.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loopd.learning.arrays import Positions, Scores

AT_LEAST = 200
"""Rows that are scored exactly in any case."""

MARGIN = 2.0
"""How many times the largest error seen among the exact rows a row outside may be wrong by."""


def shortlist(
    rough: Scores, n: int, exact: Callable[[Positions], Scores]
) -> tuple[Positions, Scores]:
    """The rows that may be among the best ``n``, with exact scores.

    The best by rough score are scored exactly, more of them each time, until even a row outside
    that is rough by ``MARGIN`` times the largest error seen could not reach the n-th best.

    Args:
        rough: (m,) higher is better.
        n: how many are needed, at least 1.
        exact: gives the exact scores (k,) of rows (k,); called with rows in ascending order, each
            time with all that are in the running: scores may depend on who is asked together.

    Returns:
        Rows (k,) ascending, at least the best ``n``, and their exact scores (k,).
    """
    order = np.argsort(-rough, kind="stable")
    size = min(len(rough), max(AT_LEAST, 2 * n))
    while True:
        inside = np.sort(order[:size])
        scores = exact(inside)
        if size == len(rough):
            return inside, scores
        error = np.abs(scores - rough[inside]).max()
        least = np.partition(scores, -n)[-n]
        possible = int((rough + MARGIN * error >= least).sum())
        if possible <= size:
            return inside, scores
        size = min(len(rough), max(possible, 2 * size))
