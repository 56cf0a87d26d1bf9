"""Owns the two heads over one encoder, one that chooses and one that predicts; must not know texts.

Guessed labels make a head better at predicting and worse at choosing: sure of whole groups, it no
longer asks about them. So the head that strategies and stopping criteria see is fitted on answers
alone, and the one whose labels people see on answers and guesses. Without guesses both are one.

A guess is no evidence, and a head takes it for some: fitted on twelve hundred of them it is far too
sure. So its scores are brought down, all by one factor, until it is as sure as the other head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from loopd.learning.arrays import Tensors, Vectors
from loopd.learning.classifiers.linear import LinearHead, from_tensors
from loopd.learning.classifiers.spreading import Examples, with_guesses

HALVINGS = 20
"""Of the range in which the factor is looked for: it is exact to a hundred thousandth."""

RANGE = (-6.0, 2.0)
"""Logarithms of the least and the greatest factor."""

PREDICTING = "predicting."
"""Prefix of the predicting head's arrays in the saved form; it is there where the heads differ."""


@dataclass(frozen=True)
class Heads:
    """What a model chooses by, and what it predicts by.

    Attributes:
        choosing: fitted on the answers alone.
        predicting: fitted on guesses too; the same object where nothing was guessed.
    """

    choosing: LinearHead
    predicting: LinearHead

    @classmethod
    def fitted(
        cls,
        examples: Examples,
        others: Callable[[], Vectors],
        guess_weight: float,
        fit: Callable[[Examples], LinearHead],
    ) -> Heads:
        """Both heads of a training set.

        Args:
            examples: what people answered, and descriptions.
            others: gives vectors (m, d) of unlabelled texts; not called where nothing is spread.
            guess_weight: how much a guess counts; 0 spreads nothing.
            fit: gives the head of some examples.
        """
        choosing = fit(examples)
        more = with_guesses(examples, others, guess_weight, choosing.proba)
        guessed = more.vectors[len(examples.vectors) :]
        if not len(guessed):
            return cls(choosing, choosing)
        return cls(choosing, as_sure_as(choosing, fit(more), guessed))

    @classmethod
    def from_tensors(cls, tensors: Tensors, num_classes: int) -> Heads:
        """The heads that ``tensors`` wrote down; one head, as of older versions, does both.

        Raises:
            KeyError, ValueError: the arrays do not fit.
        """
        choosing = from_tensors(tensors, num_classes)
        own = {
            name.removeprefix(PREDICTING): array
            for name, array in tensors.items()
            if name.startswith(PREDICTING)
        }
        return cls(choosing, from_tensors(own, num_classes) if own else choosing)

    @property
    def differ(self) -> bool:
        """Whether the model predicts otherwise than it chooses."""
        return self.predicting is not self.choosing

    def tensors(self) -> Tensors:
        """The heads as arrays."""
        predicting = self.predicting.tensors() if self.differ else {}
        named = {PREDICTING + name: array for name, array in predicting.items()}
        return {**self.choosing.tensors(), **named}

    def of_predictor(self) -> Heads:
        """The predicting head for everything."""
        return Heads(self.predicting, self.predicting)


def as_sure_as(model: LinearHead, head: LinearHead, vectors: Vectors) -> LinearHead:
    """A head with all its scores times one factor; its labels stay as they are.

    Args:
        model: that is as sure as the head is to be: in the mean, of its likeliest label.
        head: with one label for each text.
        vectors: (m, d), at least one, on which both are looked at.

    Source of the one factor: temperature scaling, Guo et al. 2017 (1706.04599).
    """
    goal = model.proba(vectors).max(axis=1).mean()
    low, high = RANGE
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _scaled(head, middle).proba(vectors).max(axis=1).mean() < goal:
            low = middle
        else:
            high = middle
    return _scaled(head, (low + high) / 2)


def _scaled(head: LinearHead, exponent: float) -> LinearHead:
    factor = np.float32(np.exp(exponent))
    return replace(head, weight=head.weight * factor, bias=head.bias * factor)
