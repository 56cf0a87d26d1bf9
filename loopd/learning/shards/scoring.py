"""Owns how an engine scores texts, piece by piece, to the same last bit as one process.

A text's last bits depend on the texts that share its batch. So a piece is some of the very batches
that one process would make, never texts that are put together anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np

from loopd.compute.engine import Engine
from loopd.learning.arrays import Positions, Proba, Score, Scores, Vectors
from loopd.learning.classifiers.linear import LinearHead
from loopd.learning.dataset import unlabeled
from loopd.learning.features.intakes import IntakeRows, PoolRows
from loopd.learning.features.store import FeatureStore, blocks
from loopd.learning.preselect import Student
from loopd.learning.shards.recipe import TrainedRecipe
from loopd.learning.strategies.scores import top

if TYPE_CHECKING:
    from loopd.learning.classifiers.pooling import Batch, Elsewhere

FEWEST_TEXTS = 1024
"""Fewer are scored in the process that waits: they take less time than sending the model does."""

BATCHES = 8
"""Of texts, in one piece: a second or so of a CPU core."""

Head: TypeAlias = "LinearHead | Student"


@dataclass(frozen=True)
class BatchesPiece:
    """Batches of texts that are embedded.

    Attributes:
        batches: token ids.
        layers, bf16: as ``Embedder.embed`` is asked.
    """

    batches: Sequence[Batch]
    layers: Sequence[int]
    bf16: bool


def embed(model: TrainedRecipe, piece: BatchesPiece) -> list[Vectors]:
    """Vectors (k, layers * d) of the texts of each batch."""
    from loopd.learning.classifiers.transformer_classifier import TransformerClassifier

    classifier = model.classifier
    if not isinstance(classifier, TransformerClassifier):
        raise TypeError(f"{type(classifier).__name__} has no encoder of its own")
    return classifier.embedded(piece.batches, piece.layers, bf16=piece.bf16)


def elsewhere(engine: Engine, model: TrainedRecipe, interrupt: Callable[[], None]) -> Elsewhere:
    """Gives the vectors of each batch, in their order, as an engine's workers embed them."""

    def embedded(batches: Sequence[Batch], layers: Sequence[int], bf16: bool) -> Iterator[Vectors]:
        pieces = [
            BatchesPiece(batches[start : start + BATCHES], layers, bf16)
            for start in range(0, len(batches), BATCHES)
        ]
        for vectors in engine.run(embed, model, pieces, interrupt):
            yield from vectors

    return embedded


@dataclass(frozen=True)
class HeadOnRows:
    """A linear model over features on disk.

    Attributes:
        head: gives probabilities of features.
        features: of the pool.
        score: of probabilities (m, C), row by row; ``None`` where these themselves are wanted.
        num_classes: C.
    """

    head: Head
    features: PoolRows
    num_classes: int
    score: Score | None = None

    def proba(self, rows: Positions) -> Proba:
        """Probabilities (k, C) of rows."""
        from loopd.learning.fitted import checked_proba

        if isinstance(self.head, Student):
            return self.head.proba(self.features[rows])
        head, dataset = self.head, unlabeled(self.features, self.num_classes)[rows]
        return checked_proba(lambda part: head.proba(part.x), dataset, self.num_classes)


def proba_of(model: HeadOnRows, rows: Positions) -> Proba:
    """Probabilities (k, C) of rows of the pool."""
    return model.proba(rows)


def best_of(model: HeadOnRows, piece: tuple[Positions, int]) -> tuple[Positions, Scores]:
    """The best ``n`` of rows of the pool by the score, and their scores: no more comes back."""
    rows, n = piece
    if model.score is None:
        raise TypeError("there is no score to choose by")
    values = model.score(model.proba(rows))
    best = top(values, rows, min(n, len(rows)))
    return rows[best], values[best]


def on_disk(features: object) -> TypeGuard[PoolRows]:
    """Whether features are files that a worker can read."""
    return isinstance(features, (FeatureStore, IntakeRows))


def all_proba(
    engine: Engine, model: HeadOnRows, rows: Positions, interrupt: Callable[[], None]
) -> Iterator[tuple[slice, Proba]]:
    """Probabilities of rows (k,), block by block, with the place of each block in them."""
    parts = list(blocks(rows))
    results = engine.run(proba_of, model, [rows[part] for part in parts], interrupt)
    yield from zip(parts, results, strict=True)


def best(
    engine: Engine, model: HeadOnRows, rows: Positions, n: int, interrupt: Callable[[], None]
) -> tuple[Positions, Scores]:
    """The best ``n`` of rows (k,), best first, ties in the order of the pool, and their scores."""
    pieces = [(rows[part], n) for part in blocks(rows)]
    found = list(engine.run(best_of, model, pieces, interrupt))
    positions = np.concatenate([some for some, _ in found])
    values = np.concatenate([some for _, some in found])
    first = top(values, positions, n)
    return positions[first], values[first]
