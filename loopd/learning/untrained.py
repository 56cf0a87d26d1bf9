"""Owns how a classifier is made before it is trained; must not know rows, rounds or caches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from loopd.learning.classifiers.contract import ClassifierFactory, MakesChoosers
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import Classifier

if TYPE_CHECKING:
    from loopd.learning.classifiers.described import Descriptions


@dataclass(frozen=True)
class Untrained:
    """Makes classifiers, which learn from descriptions of labels too where there are any.

    Attributes:
        factory: makes the classifiers themselves.
        problem: the kind of problem.
        described: texts from which every classifier learns besides.
    """

    factory: ClassifierFactory
    problem: Problem
    described: DescribedLabels

    def new(self, seed: int) -> Classifier:
        """One that chooses and predicts."""
        return self.with_descriptions(self.factory.new(seed))

    def new_chooser(self, seed: int) -> Classifier:
        """One that nobody asks to predict, which may be trained sooner."""
        factory = self.factory
        new = factory.new_chooser if isinstance(factory, MakesChoosers) else factory.new
        return self.with_descriptions(new(seed))

    def with_descriptions(self, classifier: Classifier) -> Classifier:
        """The same, which adds the descriptions to whatever it is trained on."""
        if not self.described.texts:
            return classifier
        from loopd.learning.classifiers.described import DescribedClassifier

        return DescribedClassifier(classifier, self._descriptions)

    @cached_property
    def _descriptions(self) -> Descriptions:
        from loopd.learning.classifiers.described import Descriptions

        return Descriptions(
            self.factory.encode(self.described.texts),
            self.problem.encode(self.described.targets),
        )
