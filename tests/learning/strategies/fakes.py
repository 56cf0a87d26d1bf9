"""A model and vectors made of plain arrays, behind small-text's and loopd's interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.config import StrategySection
from loopd.learning import choosing
from loopd.learning.fitted import ColdClassifier, FittedClassifier, PoolScores
from loopd.learning.representation import Background
from loopd.learning.seeding import seeded
from loopd.learning.strategies.registry import create


@dataclass
class FakeModel:
    """Answers from tables, one row for each record of the pool."""

    proba: NDArray[np.float64]
    vectors: NDArray[np.float32]
    samples: NDArray[np.float64] | None = None

    def predict_proba(self, data_set: Any, dropout_sampling: int = 1) -> Any:
        if dropout_sampling == 1:
            return self.proba[data_set.rows].astype(np.float32)
        assert self.samples is not None
        return self.samples[data_set.rows]

    def embed(self, data_set: Any, return_proba: bool = False, pbar: str | None = None) -> Any:
        vectors = self.vectors[data_set.rows]
        return (vectors, self.proba[data_set.rows]) if return_proba else vectors


@dataclass
class FakeRepresentation:
    """Vectors of the pool, and of some texts by name."""

    pool: NDArray[np.float32]
    names: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.names[text] for text in texts], dtype=np.float32)


@dataclass
class World:
    """A pool of which everything is known.

    Attributes:
        vectors: (n, d) of length 1; embedding and representation.
        proba: (n, C) of the model; ``None`` if there is no model yet.
        labelled: class number by position.
        ignored: positions that are out with people.
        names: vector of each label's name.
        samples: probabilities (n, samples, C) under dropout.
        num_classes: C, where there is no model.
    """

    vectors: NDArray[np.float32]
    proba: NDArray[np.float64] | None = None
    labelled: Mapping[int, int] = field(default_factory=dict)
    ignored: Sequence[int] = ()
    names: Mapping[str, Sequence[float]] = field(default_factory=dict)
    samples: NDArray[np.float64] | None = None
    num_classes: int = 2

    @property
    def free(self) -> set[int]:
        return set(range(len(self.vectors))) - {*self.labelled} - {*self.ignored}

    def model(self) -> FittedClassifier | ColdClassifier:
        representation = FakeRepresentation(self.vectors, self.names)
        background = Background(tuple(self.names), lambda: representation)
        if self.proba is None:
            return ColdClassifier(self.num_classes, background)
        fake = FakeModel(self.proba, self.vectors, self.samples)
        features = np.arange(len(self.vectors))
        return FittedClassifier(PoolScores(fake, features, self.proba.shape[1]), background)

    def ask(self, strategy: Any, size: int, seed: int = 0) -> list[int]:
        """Positions that a strategy object chooses."""
        return self.ask_with_scores(strategy, size, seed)[0]

    def ask_with_scores(
        self, strategy: Any, size: int, seed: int = 0
    ) -> tuple[list[int], list[float] | None]:
        labelled = sorted(self.labelled)
        with seeded(seed):
            chosen, scores = choosing.query(
                strategy,
                self.model(),
                np.arange(len(self.vectors)),
                size,
                labelled=(
                    np.array(labelled, dtype=np.int64),
                    np.array([self.labelled[place] for place in labelled], dtype=np.int64),
                ),
                ignored=np.array(sorted(self.ignored), dtype=np.int64),
            )
        return chosen.tolist(), scores

    def named(self, name: str, size: int, seed: int = 0, **options: Any) -> list[int]:
        """Positions that a registered strategy chooses."""
        return self.ask(self.build(name, **options), size, seed)

    def build(self, name: str, **options: Any) -> Any:
        classes = self.num_classes if self.proba is None else self.proba.shape[1]
        return create(StrategySection(name=name, options=options), classes)


def circle(*degrees: float) -> NDArray[np.float32]:
    """Vectors of length 1 in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def two(*first: float) -> NDArray[np.float64]:
    """Probabilities of two classes from that of the first."""
    return np.array([[value, 1 - value] for value in first])
