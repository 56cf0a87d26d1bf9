"""A model and vectors made of plain arrays, behind small-text's and loopd's interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.config import StrategySection
from loopd.learning import small_text_query
from loopd.learning.dataset import IndexedDataset
from loopd.learning.fitted import ColdClassifier, FittedClassifier, PoolScores
from loopd.learning.representation import Background
from loopd.learning.seeding import seeded
from loopd.learning.strategies.registry import create


class OnlyScores:
    """A classifier that is trained already, and of which nobody asks for classes."""

    def fit(self, train_set: Any, weights: Any = None) -> object:
        raise NotImplementedError

    def predict(self, data_set: Any, return_proba: bool = False) -> Any:
        raise NotImplementedError

    def predict_proba(self, data_set: Any) -> Any:
        raise NotImplementedError


@dataclass
class FakeModel(OnlyScores):
    """Answers from tables, one row for each record of the pool."""

    proba: NDArray[np.float64]
    vectors: NDArray[np.float32]
    samples: NDArray[np.float64] | None = None
    thresholds: NDArray[np.float64] | None = None

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
        labelled: class number by position, or class numbers where texts have several labels.
        ignored: positions that are out with people.
        names: vector of each label's name.
        samples: probabilities (n, samples, C) under dropout.
        num_classes: C, where there is no model.
        several: whether texts have several labels.
        thresholds: (C,) of the model, with several labels.
    """

    vectors: NDArray[np.float32]
    proba: NDArray[np.float64] | None = None
    labelled: Mapping[int, Any] = field(default_factory=dict)
    ignored: Sequence[int] = ()
    names: Mapping[str, Sequence[float]] = field(default_factory=dict)
    samples: NDArray[np.float64] | None = None
    num_classes: int = 2
    several: bool = False
    thresholds: Sequence[float] | None = None

    @property
    def classes(self) -> int:
        return self.num_classes if self.proba is None else self.proba.shape[1]

    @property
    def free(self) -> set[int]:
        return set(range(len(self.vectors))) - {*self.labelled} - {*self.ignored}

    def model(self) -> FittedClassifier | ColdClassifier:
        representation = FakeRepresentation(self.vectors, self.names)
        background = Background(tuple(self.names), lambda: representation)
        if self.proba is None:
            return ColdClassifier(self.num_classes, background)
        least = None if self.thresholds is None else np.array(self.thresholds)
        fake = FakeModel(self.proba, self.vectors, self.samples, least)
        features = np.arange(len(self.vectors))
        scores = PoolScores(fake, features, self.classes, multi_label=self.several)
        return FittedClassifier(scores, background)

    def encoded(self, known: Mapping[int, Any]) -> Any:
        """Labels as small-text takes them."""
        if not self.several:
            return np.array(list(known.values()), dtype=np.int64)
        y = np.zeros((len(known), self.classes), dtype=np.int64)
        for row, labels in enumerate(known.values()):
            y[row, list(labels)] = 1
        return csr_matrix(y)

    def pool(self) -> IndexedDataset:
        """All records without labels."""
        count = len(self.vectors)
        y = self.encoded(dict.fromkeys(range(count), () if self.several else -1))
        return IndexedDataset(np.arange(count), y, np.arange(self.classes))

    def ask(self, strategy: Any, size: int, seed: int = 0) -> list[int]:
        """Positions that a strategy object chooses."""
        return self.ask_with_scores(strategy, size, seed)[0]

    def ask_with_scores(
        self, strategy: Any, size: int, seed: int = 0
    ) -> tuple[list[int], list[float] | None]:
        labelled = dict(sorted(self.labelled.items()))
        with seeded(seed):
            chosen, scores = small_text_query.query(
                strategy,
                self.model(),
                self.pool(),
                size,
                labelled=(np.array([*labelled], dtype=np.int64), self.encoded(labelled)),
                ignored=np.array(sorted(self.ignored), dtype=np.int64),
            )
        return chosen.tolist(), scores

    def named(self, name: str, size: int, seed: int = 0, **options: Any) -> list[int]:
        """Positions that a registered strategy chooses."""
        return self.ask(self.build(name, **options), size, seed)

    def build(self, name: str, **options: Any) -> Any:
        return create(StrategySection(name=name, options=options), self.classes)


def circle(*degrees: float) -> NDArray[np.float32]:
    """Vectors of length 1 in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def two(*first: float) -> NDArray[np.float64]:
    """Probabilities of two classes from that of the first."""
    return np.array([[value, 1 - value] for value in first])
