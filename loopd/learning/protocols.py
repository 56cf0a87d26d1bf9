"""Owns what the parts of this folder ask of each other; must hold no code and import no library.

A :class:`Classifier` is what a factory makes, ours or the user's. Trained, it is asked by a
:class:`ModelScores`, which keeps its answers about the pool; strategies see it as a
:class:`StrategyModel`. What only some can do is a protocol of its own, told by ``isinstance``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from loopd.learning.arrays import (
    Positions,
    Proba,
    Score,
    Scores,
    TokenProba,
    Vectors,
    Weights,
)

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.frozen_classifier import FrozenClassifier
    from loopd.learning.labels import Labels
    from loopd.learning.preselect import Preselection
    from loopd.learning.representation import Background
    from loopd.records import Span

P_co = TypeVar("P_co", covariant=True)

ScoredSpans = tuple["tuple[Span, ...]", tuple[float, ...]]
"""The spans of a text and their probabilities."""


class Features(Protocol):
    """What a kind of classifier knows of n texts: tokens, a matrix, or the texts themselves."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""
        ...

    def __getitem__(self, rows: Positions, /) -> Any:  # arrays, lists of arrays, sparse rows
        """The features of rows (k,)."""
        ...


class Classifier(Protocol):
    """A small-text classifier: what it is told and asked."""

    def fit(self, train_set: IndexedDataset, weights: Weights | None = None) -> object:
        """Train on labelled rows."""
        ...

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:
        """Class numbers (n,), sparse rows (n, C) or spans; with their probabilities if asked.

        small-text gives one method several results, hence ``Any``.
        """
        ...

    def predict_proba(self, data_set: IndexedDataset, /) -> Proba:
        """Probabilities (n, C), one column for each label, seen in training or not."""
        ...


@runtime_checkable
class TagsTokens(Protocol):
    """A classifier that gives each token a tag."""

    def token_proba(self, data_set: IndexedDataset, /) -> TokenProba:
        """Probabilities of the tags of all atoms."""
        ...


@runtime_checkable
class MarksSpans(TagsTokens, Protocol):
    """One that makes spans of the tags."""

    def predict_scored(self, data_set: IndexedDataset, /) -> list[ScoredSpans]:
        """The spans of each text with their probabilities."""
        ...


class Tagger(Classifier, MarksSpans, Protocol):
    """A trained classifier that marks spans."""


@runtime_checkable
class Screens(Protocol[P_co]):
    """A classifier that can answer roughly, and sooner."""

    @property
    def screen_proba(self) -> Callable[[IndexedDataset], P_co] | None:
        """Gives rough probabilities; ``None`` where nothing is gained by it."""
        ...


@runtime_checkable
class FindsBest(Protocol):
    """A classifier that may find the best rows without giving the probabilities of all."""

    def best_elsewhere(
        self, score: Score, among: IndexedDataset, n: int, /
    ) -> tuple[Positions, Scores] | None:
        """The best ``n`` rows, best first, and their scores; ``None`` where nothing is gained."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A classifier that has vectors of texts."""

    def embed(self, data_set: IndexedDataset, /, **options: Any) -> Vectors:  # small-text's options
        """Vectors (n, d)."""
        ...


@runtime_checkable
class HasThresholds(Protocol):
    """A classifier that gives a label from a probability of its own on."""

    @property
    def thresholds(self) -> Proba | None:
        """(C,); ``None`` is one half for each."""
        ...


@runtime_checkable
class PredictsApart(Protocol):
    """A classifier that may predict otherwise than it chooses; the others do both alike."""

    def as_predictor(self) -> Classifier:
        """The same trained model as it predicts; itself where that makes no difference."""
        ...


class StrategyModel(Protocol):
    """What a strategy may ask of any model; of loopd's own more, see ``frozen_classifier``."""

    num_classes: int

    def predict_proba(self, data_set: IndexedDataset, /, *, dropout_sampling: int = 1) -> Proba:
        """Probabilities (n, C); with dropout samples (n, samples, C)."""
        ...

    def embed(self, data_set: IndexedDataset, /, *, pbar: str | None = None) -> Vectors:
        """Vectors (n, d)."""
        ...


@runtime_checkable
class QueryStrategy(Protocol):
    """small-text's query strategy, ours or the user's."""

    def query(
        self,
        clf: StrategyModel,
        dataset: IndexedDataset,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Labels,
        n: int = 10,
    ) -> Positions:
        """Indices (n,) of what is to be labelled next."""
        ...


class ModelScores(Protocol):
    """What a trained model says of the pool, computed when it is asked and then kept."""

    @property
    def classifier(self) -> Classifier:
        """The model."""
        ...

    @property
    def features(self) -> Features:
        """Of the pool."""
        ...

    @property
    def preselection(self) -> Preselection | None:
        """The candidates of a pool that is too big for the model; ``None`` for the whole pool."""
        ...

    def of(self, rows: Positions) -> Proba:
        """Probabilities (k, C) at pool positions (k,); those of no candidate may be guessed."""
        ...

    def own(self, rows: Positions) -> Proba:
        """Probabilities (k, C) at pool positions (k,), all of them the model's own."""
        ...

    def decisions(self, rows: Positions) -> Proba:
        """Probabilities of each decision that the model takes on pool positions (k,)."""
        ...

    def fitted(self, background: Background) -> FrozenClassifier:
        """The model as strategies see it."""
        ...
