"""Owns which texts of a big pool a slow classifier looks at; must not know what the classifier is.

Half of what it may look at is drawn at random. A student, a linear map from cached features, learns
from the probabilities that the classifier gives these; then it guesses those of the whole pool in
seconds, and the texts it is least sure of are the other half. All other texts keep the student's
probabilities and cannot be chosen in this round. ``benchmarks/preselection.py`` measures what that
loses. How much the classifier may look at is a number of texts and one of tokens: long texts cost
more. (A head that is fitted on the labels instead, without asking the classifier, finds hardly
more of the texts that the classifier is unsure of than chance does.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loopd.compute.engine import LOCAL, Engine
from loopd.learning.arrays import Positions, Proba, Vectors
from loopd.learning.classifiers.contract import (
    ClassifierContext,
    ClassifierFactory,
    CountsTokens,
)
from loopd.learning.features.store import blocks
from loopd.learning.features.windows import CUT
from loopd.learning.representation import Rows
from loopd.learning.strategies.scores import top

Ask: TypeAlias = Callable[[Positions], Proba]
"""Probabilities (m, C) that the slow classifier gives at pool positions (m,); roughly will do."""

RANDOM_SHARE = 0.5
"""Share of the candidates that is drawn at random, from which the student learns."""

PENALTY = 1.0
"""Of the student's ridge regression."""

FLOOR = 1e-4
"""Added to probabilities before their logarithm is taken."""


@dataclass(frozen=True)
class Preselection:
    """What goes to the slow classifier, and what the student says of the rest.

    Attributes:
        positions: (k,) pool positions, ascending.
        proba: (n, C) the student's probabilities of the whole pool.
    """

    positions: Positions
    proba: Proba

    def others(self) -> Positions:
        """Positions (n - k,) that must not be chosen."""
        left_out = np.ones(len(self.proba), dtype=bool)
        left_out[self.positions] = False
        return np.flatnonzero(left_out)

    def among(self, rows: Positions) -> Positions:
        """Indices of the candidates among the rows (m,), ascending."""
        return np.flatnonzero(np.isin(rows, self.positions))


@dataclass(frozen=True)
class ScoringLimit:
    """How much a slow classifier may look at in one round.

    Attributes:
        texts: at most so many, k.
        tokens: that they have at most, about; ``None``: no matter.
        lengths: (n,) tokens of each text of the pool; ``None`` where nobody counts them.
    """

    texts: int
    tokens: int | None = None
    lengths: Positions | None = None

    def holds(self, rows: Positions) -> bool:
        """Whether the classifier may look at all of these positions (m,)."""
        if len(rows) > self.texts:
            return False
        return self.tokens is None or self.tokens_of(rows) <= self.tokens

    def at_random(self, free: Positions) -> int:
        """How many of the free positions (m,) are drawn: texts of half the limit on average.

        The number does not depend on what is drawn, so that the draws stay a plain random sample.
        """
        texts = int(min(self.texts, len(free)) * RANDOM_SHARE)
        if self.tokens is not None and (all_tokens := self.tokens_of(free)):
            texts = min(texts, int(self.tokens * RANDOM_SHARE * len(free) / all_tokens))
        return max(1, texts)

    def fitting(self, rows: Positions, beside: Positions) -> Positions:
        """Those of the rows (m,), in order, that fit beside others (k,) that are taken already.

        A text that is too long for what is left is passed over: it must not keep out all others.
        """
        if self.tokens is None or self.lengths is None:
            return rows
        room, fits = self.tokens - self.tokens_of(beside), []
        for row, length in zip(rows.tolist(), self.lengths[rows].tolist(), strict=True):
            if length <= room:
                fits.append(row)
                room -= length
        return np.array(fits, dtype=rows.dtype)

    def tokens_of(self, rows: Positions) -> int:
        """Tokens of these positions (m,) together."""
        return 0 if self.lengths is None else int(self.lengths[rows].sum())


@dataclass(frozen=True)
class Student:
    """A linear map from features to centred log probabilities, or for several labels to log odds.

    Attributes:
        weight: (d, C) float32.
        bias: (C,) float32.
        multi_label: whether the labels' probabilities are independent.
    """

    weight: Vectors
    bias: Vectors
    multi_label: bool = False

    @classmethod
    def taught(cls, features: Vectors, proba: Proba, *, multi_label: bool = False) -> Student:
        """Ridge regression on the classifier's probabilities (m, C) of features (m, d).

        Source: Hinton et al. 2015 (1503.02531), matching logits.
        """
        logits = np.log(proba.astype(np.float64) + FLOOR)
        if multi_label:
            logits -= np.log1p(FLOOR - proba.astype(np.float64))
        else:
            logits -= logits.mean(axis=1, keepdims=True)
        middle, usual = features.mean(axis=0, dtype=np.float64), logits.mean(axis=0)
        rows = features - middle
        square = rows.T @ rows + PENALTY * np.eye(features.shape[1])
        weight = np.linalg.solve(square, rows.T @ (logits - usual))
        bias = usual - middle @ weight
        return cls(weight.astype(np.float32), bias.astype(np.float32), multi_label)

    def proba(self, features: Vectors) -> Proba:
        """Probabilities (m, C) of features (m, d)."""
        logits = features @ self.weight + self.bias
        if self.multi_label:
            return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True), dtype=np.float32)


def candidates(
    factory: ClassifierFactory, context: ClassifierContext, labelled: Positions, seed: int, ask: Ask
) -> Preselection | None:
    """What a classifier looks at in one round; ``None`` means the whole pool.

    Args:
        factory: whose ``screening`` features narrow the pool; without them nothing is narrowed.
        context: the pool, and up to how many texts and tokens it is scored as a whole.
        labelled: positions (m,).
        seed: of the random share, one for each encoder.
        ask: the trained classifier.
    """
    limit = _limit(factory, context)
    if limit.holds(_free(len(context.pool), labelled)):
        return None
    features = factory.screening
    if features is None:
        return None
    return preselect(
        features,
        ask,
        labelled,
        limit=limit,
        seed=seed,
        interrupt=context.interrupt,
        multi_label=context.multi_label,
        engine=context.engine,
    )


def _limit(factory: ClassifierFactory, context: ClassifierContext) -> ScoringLimit:
    section, limit = context.section, context.section.candidate_limit
    if limit is None or not isinstance(factory, CountsTokens):
        return ScoringLimit(section.candidates)
    if section.windows == CUT and len(context.pool) * section.max_tokens <= limit:
        return ScoringLimit(section.candidates)  # nobody need count
    return ScoringLimit(section.candidates, limit, factory.token_counts())


def _free(count: int, labelled: Positions) -> Positions:
    free = np.ones(count, dtype=bool)
    free[labelled] = False
    return np.flatnonzero(free)


def preselect(
    features: Rows,
    ask: Ask,
    labelled: Positions,
    *,
    limit: ScoringLimit,
    seed: int,
    interrupt: Callable[[], None],
    multi_label: bool = False,
    engine: Engine = LOCAL,
) -> Preselection:
    """Narrow a pool to the texts that are worth a slow classifier's time.

    Args:
        features: (n, d) of the pool, any that an integer array can index.
        ask: the slow classifier; it is asked once, for the random share.
        labelled: positions (m,) that are no candidates.
        limit: how many candidates, k.
        seed: of the random share: as long as it stays, what is drawn stays, but for those that were
            labelled since and for what a pool gained.
        interrupt: called between blocks of rows; may raise.
        multi_label: whether the labels' probabilities are independent.
        engine: where the student guesses.
    """
    rng = np.random.default_rng(seed)
    free = _free(features.shape[0], labelled)
    drawn = limit.at_random(free)
    turn = rng.random(features.shape[0])  # a row keeps its own when the pool grows
    sample = np.sort(free[np.argsort(turn[free])[:drawn]])
    student = Student.taught(features[sample], ask(sample), multi_label=multi_label)
    proba = _guessed(student, features, interrupt, engine)
    rest = np.setdiff1d(free, sample, assume_unique=True)
    doubt = _doubts(proba[rest]) if multi_label else -_margins(proba[rest])
    size = min(limit.texts, len(free)) - drawn
    unsure = limit.fitting(rest[top(doubt, rest, size)], sample)
    return Preselection(np.sort(np.concatenate([sample, unsure])), proba)


def _guessed(
    student: Student, features: Rows, interrupt: Callable[[], None], engine: Engine
) -> Proba:
    everything = np.arange(features.shape[0])
    proba = np.empty((len(everything), len(student.bias)), dtype=np.float32)
    if engine.spreads:
        from loopd.learning.shards.scoring import HeadOnRows, all_proba, on_disk

        if on_disk(features):
            model = HeadOnRows(student, features, len(student.bias))
            for block, part in all_proba(engine, model, everything, interrupt):
                proba[block] = part
            return proba
    for block in blocks(everything):
        interrupt()
        proba[block] = student.proba(features[everything[block]])
    return proba


def _doubts(proba: Proba) -> NDArray[np.float32]:
    """Expected number of wrong labels (n,) where each label is given that is likelier than not."""
    doubts: NDArray[np.float32] = np.minimum(proba, 1 - proba).sum(axis=1)
    return doubts


def _margins(proba: Proba) -> NDArray[np.float32]:
    """Difference of the two largest probabilities (n,)."""
    two = np.partition(proba, -2, axis=1)[:, -2:]
    margins: NDArray[np.float32] = two[:, 1] - two[:, 0]
    return margins
