"""Owns which texts of a big pool a slow classifier looks at; must not know what the classifier is.

A linear head over cached features, fitted on the same labels, scores the whole pool in seconds. The
texts it is least sure of, and some drawn at random in case it is sure of the wrong things, go to
the slow classifier; all others keep the head's probabilities and cannot be chosen in this round.
How much is lost by that is measured by ``benchmarks/preselection.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.learning.classifiers.contract import ClassifierFactory, Surroundings
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.feature_store import blocks
from loopd.learning.strategies.scores import top

Positions = NDArray[np.int64]

RANDOM_SHARE = 0.1
"""Share of the candidates that is drawn at random."""

HEAD_C = 10.0
"""Inverse penalty of the head, that of `frozen-head`."""


@dataclass(frozen=True)
class Preselection:
    """What goes to the slow classifier, and what is known of the rest.

    Attributes:
        positions: (k,) pool positions, ascending.
        proba: (n, C) the head's probabilities of the whole pool.
    """

    positions: Positions
    proba: NDArray[np.float32]

    def others(self) -> Positions:
        """Positions (n - k,) that must not be chosen."""
        left_out = np.ones(len(self.proba), dtype=bool)
        left_out[self.positions] = False
        return np.flatnonzero(left_out)

    def among(self, rows: Positions) -> Positions:
        """Places in the rows (m,) of those that are candidates, ascending."""
        return np.flatnonzero(np.isin(rows, self.positions))


def candidates(
    factory: ClassifierFactory,
    around: Surroundings,
    labelled: tuple[Positions, NDArray[np.int64]],
    seed: int,
) -> Preselection | None:
    """What a classifier looks at in one round; ``None`` means the whole pool.

    Args:
        factory: whose ``screening`` features narrow the pool; without them nothing is narrowed.
        around: the pool and ``candidates``, the size up to which it is scored as a whole.
        labelled: positions (m,) and class numbers (m,).
        seed: of the random share.
    """
    if len(around.pool) - len(labelled[0]) <= around.section.candidates:
        return None
    features = factory.screening
    if features is None:
        return None
    return preselect(
        features,
        labelled,
        around.num_classes,
        size=around.section.candidates,
        seed=seed,
        interrupt=around.interrupt,
    )


def preselect(
    features: Any,
    labelled: tuple[Positions, NDArray[np.int64]],
    num_classes: int,
    *,
    size: int,
    seed: int,
    interrupt: Callable[[], None],
) -> Preselection:
    """Narrow a pool to the texts that are worth a slow classifier's time.

    Args:
        features: (n, d) of the pool, any that an integer array can index.
        labelled: positions (m,) and class numbers (m,) that the slow classifier was trained on.
        num_classes: C.
        size: how many candidates, k.
        seed: of the random share.
        interrupt: called between blocks of rows; may raise.
    """
    head = fit_head(features[labelled[0]], labelled[1], num_classes, c=HEAD_C)
    proba = _proba(head, features, interrupt)
    free = np.ones(len(proba), dtype=bool)
    free[labelled[0]] = False
    among = np.flatnonzero(free)
    size = min(size, len(among))
    drawn = int(size * RANDOM_SHARE)
    unsure = among[top(-_margins(proba)[among], among, size - drawn)]
    free[unsure] = False
    rest = np.flatnonzero(free)
    random = np.random.default_rng(seed).choice(rest, size=drawn, replace=False)
    return Preselection(np.sort(np.concatenate([unsure, random])), proba)


def _proba(head: LinearHead, features: Any, interrupt: Callable[[], None]) -> NDArray[np.float32]:
    everything = np.arange(features.shape[0])
    proba = np.empty((len(everything), head.num_classes), dtype=np.float32)
    for block in blocks(everything):
        interrupt()
        proba[block] = head.proba(features[everything[block]])
    return proba


def _margins(proba: NDArray[np.float32]) -> NDArray[np.float32]:
    """Difference of the two largest probabilities (n,)."""
    two = np.partition(proba, -2, axis=1)[:, -2:]
    margins: NDArray[np.float32] = two[:, 1] - two[:, 0]
    return margins
