"""Owns how likely the label of a text is wrong; must not know ids or choose texts.

People and model judge each other: a model that was not shown the text says which labels fit it,
calibrated on all answers, and who often says something else is believed less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Floats, Mask, Positions, Scores

TEMPERATURES = tuple(2.0**power for power in np.arange(-2, 2.5, 0.5))
"""By one of which a model's log probabilities are divided."""

FLOOR = 0.02
"""No model rules a label out further than this: of few labels it is often sure and wrong."""

RIGHT, WRONG = 8.0, 2.0
"""Answers of each kind that everybody is taken to have given before the first one."""

STEPS = 10
"""Of expectation maximisation; the rates no longer move much."""


@dataclass(frozen=True)
class Answers:
    """Who said what.

    Attributes:
        said: (n, m) class numbers; where nobody answered, any.
        by: (n, m) whether annotator m answered text n.
    """

    said: Positions
    by: Mask

    @classmethod
    def of(cls, votes: Scores) -> Answers:
        """Of class numbers (n, m), NaN for none."""
        by = ~np.isnan(votes)
        return cls(np.where(by, votes, 0).astype(np.int64), by)

    def counts(self, num_classes: int) -> Positions:
        """How many gave each label (n, C)."""
        counted = np.zeros((len(self.said), num_classes), dtype=np.int64)
        rows, people = np.nonzero(self.by)
        np.add.at(counted, (rows, self.said[rows, people]), 1)
        return counted


def doubts(votes: Scores, proba: Floats, labels: Positions) -> Scores:
    """The probability (n,) that the labels from which models learn are wrong.

    Each annotator has one rate of right answers, with a beta prior, and is wrong with all other
    labels alike (Dawid and Skene 1979, with one parameter a person); the model's calibrated
    probabilities are the prior of a text's label (as in Raykar et al. 2010).

    Args:
        votes: (n, m) class numbers, NaN for none; each row has one.
        proba: (n, C) probabilities of a model that was not trained on the text.
        labels: (n,) class numbers: what the votes were taken to say.
    """
    answers = Answers.of(votes)
    calibrated = _calibrated(proba, answers.counts(proba.shape[1]))
    likely = _likely(answers, np.log(calibrated))
    return np.asarray(1 - likely[np.arange(len(labels)), labels])


def _calibrated(proba: Floats, counts: Positions) -> Scores:
    """Probabilities (n, C) at the temperature that fits the votes best, none below the floor.

    The votes, not the labels behind them: what the model believes of those would make it the surer
    the more it differs from people.
    """
    logs = np.log(np.clip(proba.astype(np.float64), 1e-6, None))
    tempered = [_normal(np.exp(logs / each)).clip(FLOOR) for each in TEMPERATURES]
    shares = counts / counts.sum(axis=1, keepdims=True)
    fits = [float((shares * np.log(rows)).sum()) for rows in tempered]
    return _normal(tempered[int(np.argmax(fits))])


def _likely(answers: Answers, prior: Scores) -> Scores:
    """Probabilities (n, C) of the labels after all answers, from those before in logarithms."""
    others = max(prior.shape[1] - 1, 1)
    rows, people = np.nonzero(answers.by)
    said, count = answers.said[rows, people], answers.by.sum(axis=0)
    rates = np.full(len(count), RIGHT / (RIGHT + WRONG))
    for _ in range(STEPS):
        # An answer speaks for its label; that it may be wrong speaks for all others alike.
        gain = np.log(rates) - np.log((1 - rates) / others)
        logs = prior.copy()
        np.add.at(logs, (rows, said), gain[people])
        likely = _normal(np.exp(logs - logs.max(axis=1, keepdims=True)))
        right = np.bincount(people, likely[rows, said], minlength=len(count))
        rates = (right + RIGHT) / (count + RIGHT + WRONG)
    return likely


def _normal(rows: Scores) -> Scores:
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))
