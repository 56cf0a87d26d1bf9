"""Owns how targets by record id become rows of the pool to train on; must not train.

Positions exist inside ``learning`` alone: labels meet texts by id here, never by order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loopd.errors import ModelError
from loopd.learning.arrays import Positions
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.model_identity import TrainingData, digest_of
from loopd.learning.pool_rows import PoolRows
from loopd.learning.problems.problem import Problem
from loopd.learning.takeover import Tuned
from loopd.records import Targets

if TYPE_CHECKING:
    from loopd.learning.labels import Labels


APART = 1_000_000
"""Between the rounds that seed the members of an ensemble."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """An encoder that was fine-tuned for an earlier model.

    Attributes:
        tuned: that model.
        training_set: gives what it was trained on, for when it is gone.
    """

    tuned: Tuned
    training_set: Callable[[], TrainingSet] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a model is trained on.

    Attributes:
        id: digest of everything the model depends on.
        round: number of the batch whose answers came last.
        positions: (k,) labelled rows of the pool, ascending.
        y: their targets as the problem encodes them.
        member: which model of an ensemble is trained, from 0. The first is as if it were alone;
            the others have other seeds, or other weights of the texts where training draws nothing.
        encoder: what is taken over, so that the head alone is fitted; ``None``: nothing.
    """

    id: str
    round: int
    positions: Positions
    y: Labels
    member: int = 0
    encoder: Inherited | None = None

    @property
    def step(self) -> int:
        """The round that seeds training: another one for each member."""
        return self.round + APART * self.member

    @property
    def encoder_step(self) -> int:
        """That of the model whose encoder it has: an earlier one's, or its own."""
        number = self.round if self.encoder is None else self.encoder.tuned.round
        return number + APART * self.member


@dataclass(frozen=True)
class TrainingSets:
    """Training sets of one pool.

    Attributes:
        context: what classifiers are built from.
        problem: the kind of problem.
        described: texts from which every model learns besides.
        seed: of the run.
    """

    context: ClassifierContext
    problem: Problem
    described: DescribedLabels
    seed: int

    def of(
        self, number: int, targets: Targets, member: int = 0, encoder: Tuned | None = None
    ) -> TrainingSet:
        """The training set of a round.

        Raises:
            ModelError: too few labels to train on, or a label or id that does not exist.
        """
        training_set = self.named("", number, targets, encoder)
        if not self.can_fit(targets):
            raise ModelError(
                f"{len(targets)} labels of {len(set(targets.values()))} kinds are too few to train",
                "label records of at least two different kinds",
            )
        name = self.model_id(number, targets, member, encoder)
        return replace(training_set, id=name, member=member)

    def named(
        self, name: str, number: int, targets: Targets, encoder: Tuned | None = None
    ) -> TrainingSet:
        """The training set of a model that has a name already.

        Raises:
            ModelError: a label or id that does not exist.
        """
        positions, y = self.aligned(targets)
        inherited = None if encoder is None else self._inherited(encoder)
        return TrainingSet(name, number, positions, y, encoder=inherited)

    def can_fit(self, targets: Targets, *, described: bool = True) -> bool:
        """Whether there are enough labels to train on.

        Labels that are described need none, unless ``described`` is false.
        """
        more = self.described.targets if described else ()
        return self.problem.can_fit([*targets.values(), *more])

    def model_id(
        self, number: int, targets: Targets, member: int = 0, encoder: Tuned | None = None
    ) -> str:
        """Name of the model of a round: 16 hexadecimal digits; cheap."""
        data = TrainingData(self.context.pool, self.problem, targets, self.described)
        step = (self.seed, number, member)
        inherited = None if encoder is None else encoder.id
        return digest_of(data, self.context.section, step, inherited)

    def aligned(self, targets: Targets) -> tuple[Positions, Labels]:
        """Positions and targets in the order of the pool.

        Raises:
            ModelError: an id that the pool lacks, or a label that does not exist.
        """
        positions, in_order = PoolRows(self.context.pool).aligned(targets)
        return positions, self.problem.encode(in_order)

    def _inherited(self, tuned: Tuned) -> Inherited:
        def training_set() -> TrainingSet:
            # Named as then: a pool that grew since has another fingerprint, and the same texts.
            return replace(self.of(tuned.round, tuned.targets()), id=tuned.id)

        return Inherited(tuned, training_set)
