"""Owns which unlabelled texts an encoder learns from as if people had labelled them.

Must not know texts or encoders. Twenty labels show an encoder little of a task. A first one guesses
what other texts are; a second one, which begins anew, learns from people's labels and from those
guesses that the first was surest of, and then another one likewise from its guesses. Half of each
class is taken, so that none is crowded out by those that are easy to tell.

Source: Lee 2013, "Pseudo-Label" (ICML workshop); the surest of each class from Zou et al. 2018,
"Class-Balanced Self-Training" (ECCV); a second one that begins anew from Xie et al. 2020,
"Self-training with Noisy Student" (CVPR).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Positions, Proba
from loopd.learning.classifiers.options import counts
from loopd.learning.classifiers.spreading import Guesses

LOOKED_AT = 1200
"""Unlabelled texts among which the surest guesses are looked for."""

SURE_SHARE = 0.5
"""Of the texts that are guessed to be of a class, the share that is sure enough."""

GUESS_WEIGHT = 0.3
"""How much a guess counts in the loss, against 1 of a label that people gave."""

PASSES = 2
"""How often a second encoder is trained: on guesses of the first one, then of the one before it."""


@dataclass(frozen=True)
class SelfTraining:
    """How much an encoder learns from its own guesses.

    Attributes:
        texts: most guesses; 0 switches it off.
        until: number of labels from which on there are none.
    """

    texts: int
    until: int

    def count(self, labels: int) -> int:
        """Most guesses beside so many labels."""
        return self.texts if labels < self.until else 0


def self_training(texts: object, until: object) -> SelfTraining:
    """The settings of two options.

    Raises:
        ModelError: one of them is no whole number from 0 on.
    """
    return SelfTraining(*counts({"self_training": texts, "self_training_until": until}))


def surest(proba: Proba, count: int, seed: int) -> Guesses:
    """Some of the guesses that a classifier is surest of.

    Args:
        proba: (m, C) of unlabelled texts.
        count: most of them, drawn at random.
        seed: of the draw.

    Returns:
        At most ``count`` guesses, of each guessed class from the surest half.
    """
    y, sure = proba.argmax(axis=1), proba.max(axis=1)
    kept = [_surest_of(np.flatnonzero(y == label), sure) for label in np.unique(y)]
    rows = np.random.default_rng(seed).permutation(np.concatenate([*kept, _NONE]))[:count]
    rows.sort()
    return Guesses(rows, y[rows])


_NONE = np.empty(0, dtype=np.int64)


def _surest_of(rows: Positions, sure: Proba) -> Positions:
    order = np.argsort(-sure[rows], kind="stable")
    return rows[order[: max(1, int(SURE_SHARE * len(rows)))]]
