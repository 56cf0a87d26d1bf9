"""Owns what models say of labelled texts that they were not shown; must not judge it.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Positions
from loopd.learning.dataset import IndexedDataset
from loopd.learning.folds import Folds, assigned
from loopd.learning.foreign import calling
from loopd.learning.predictor import predictor
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import Classifier
from loopd.learning.seeding import for_step, seeded
from loopd.records import Target

ENOUGH = 200
"""So many predictions tell enough: each further part would cost a training for little."""


@dataclass(frozen=True)
class CrossPredictor:
    """Trains classifiers that predict what they were not shown.

    Attributes:
        new: gives an untrained classifier for a seed.
        problem: the kind of problem.
        seed: of the parts and of training.
        described: targets of the texts that every classifier learns from besides.
    """

    new: Callable[[int], Classifier]
    problem: Problem
    seed: int
    described: Sequence[Target] = ()

    def predicted(
        self,
        labelled: IndexedDataset,
        targets: Sequence[Target],
        folds: int,
        elsewhere: Callable[[Sequence[int]], Iterator[list[Target]]] | None = None,
    ) -> dict[int, Target]:
        """Predictions for enough of the texts, part by part; each part costs one training.

        Args:
            labelled: the texts, at least two.
            targets: (n,) of them, as people say them.
            folds: parts, at least 2; no more than there are texts.
            elsewhere: gives what :meth:`of_part` does of some parts, in their order, from other
                processes; ``None``: they are trained here.

        Returns:
            The predictions by number of the text, in the order of the texts.

        Raises:
            ModelError: the classifier fails.
        """
        part = self._parts(labelled, folds)
        numbers = self._needed(part)
        here = (self._of_part(labelled, targets, part, number) for number in numbers)
        guessed = here if elsewhere is None else elsewhere(numbers)
        by_row: dict[int, Target] = {}
        for number, guesses in zip(numbers, guessed, strict=True):
            by_row |= dict(zip(np.flatnonzero(part == number).tolist(), guesses, strict=True))
        return dict(sorted(by_row.items()))

    def of_part(
        self, labelled: IndexedDataset, targets: Sequence[Target], folds: int, number: int
    ) -> list[Target]:
        """Predictions for the texts of one part, in their order, by the arguments of the whole."""
        return self._of_part(labelled, targets, self._parts(labelled, folds), number)

    def _of_part(
        self, labelled: IndexedDataset, targets: Sequence[Target], part: Folds, number: int
    ) -> list[Target]:
        held, others = np.flatnonzero(part == number), np.flatnonzero(part != number)
        return self._guesses(labelled, held, others, [targets[row] for row in others.tolist()])

    def _parts(self, labelled: IndexedDataset, folds: int) -> Folds:
        parts = min(folds, len(labelled))
        return assigned(labelled.y, len(self.problem.labels), parts, self.seed)

    def _needed(self, part: Folds) -> list[int]:
        """Numbers of the first parts that have enough texts together."""
        sizes = np.bincount(part)
        before = np.cumsum(sizes) - sizes
        needed: list[int] = np.flatnonzero(before < ENOUGH).tolist()
        return needed

    def _guesses(
        self,
        labelled: IndexedDataset,
        held: Positions,
        others: Positions,
        trained_on: Sequence[Target],
    ) -> list[Target]:
        """Of a model of the others; the most frequent target where they are too much alike."""
        if not self.problem.can_fit([*trained_on, *self.described]):
            return [Counter(trained_on).most_common(1)[0][0]] * len(held)
        step = for_step(self.seed, int(held[0]) if len(held) else 0, "fold")
        with seeded(step):
            classifier = self.new(step)
            with calling("training the classifier"):
                classifier.fit(labelled[others])
            with calling("the classifier's prediction"):
                return self.problem.predicted(predictor(classifier), labelled[held])
