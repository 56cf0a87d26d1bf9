"""Owns how an engine trains: the folds of a cross-validation, and members of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loopd.compute.engine import Engine
from loopd.learning.arrays import Proba
from loopd.learning.shards.recipe import TrainerRecipe
from loopd.learning.training_sets import TrainingSet
from loopd.records import Target


@dataclass(frozen=True)
class FoldPiece:
    """One fold.

    Attributes:
        training_set: of the whole cross-validation.
        folds: how many there are.
        number: of this one.
        targets: of the training set, where targets are predicted and not probabilities.
    """

    training_set: TrainingSet
    folds: int
    number: int
    targets: Sequence[Target] = ()


def fold_proba(order: TrainerRecipe, piece: FoldPiece) -> Proba:
    """Probabilities (k, C) of the texts of a fold."""
    return order.trainer.fold_proba(piece.training_set, piece.folds, piece.number)


def fold_targets(order: TrainerRecipe, piece: FoldPiece) -> list[Target]:
    """Predictions for the texts of a fold."""
    return order.trainer.fold_targets(piece.training_set, piece.targets, piece.folds, piece.number)


def train(order: TrainerRecipe, training_set: TrainingSet) -> str:
    """Train a model and leave it in the cache; returns its name."""
    return order.trainer.model(training_set).id


@dataclass(frozen=True)
class SpreadTraining:
    """Trains on an engine.

    Attributes:
        engine: whose workers train.
        order: the trainer that they have.
        interrupt: see :class:`Engine`.
    """

    engine: Engine
    order: TrainerRecipe
    interrupt: Callable[[], None]

    def proba(
        self, training_set: TrainingSet, folds: int
    ) -> Callable[[Sequence[int]], Iterator[Proba]]:
        """What gives the probabilities of the texts of each fold."""

        def of_parts(numbers: Sequence[int]) -> Iterator[Proba]:
            pieces = [FoldPiece(training_set, folds, number) for number in numbers]
            return self.engine.run(fold_proba, self.order, pieces, self.interrupt)

        return of_parts

    def targets(
        self, training_set: TrainingSet, targets: Sequence[Target], folds: int
    ) -> Callable[[Sequence[int]], Iterator[list[Target]]]:
        """What gives the predictions for the texts of each fold."""

        def of_parts(numbers: Sequence[int]) -> Iterator[list[Target]]:
            pieces = [FoldPiece(training_set, folds, number, targets) for number in numbers]
            return self.engine.run(fold_targets, self.order, pieces, self.interrupt)

        return of_parts

    def models(self, training_sets: Sequence[TrainingSet]) -> None:
        """Train models, which are in the cache then."""
        for _ in self.engine.run(train, self.order, training_sets, self.interrupt):
            pass
