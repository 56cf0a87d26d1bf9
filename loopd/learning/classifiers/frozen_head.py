"""Owns the linear head over a frozen encoder as a small-text classifier; must not tune encoders.

Imports small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.errors import ModelError
from loopd.learning.arrays import (
    Options,
    Positions,
    Proba,
    Score,
    Scores,
    Tensors,
    Vectors,
    Weights,
)
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.heads import Heads
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.classifiers.spreading import Examples, spreading, unlabelled
from loopd.learning.classifiers.thresholds import refuse_bad_folds, with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.frozen import FeatureOptions, FrozenFeatures, FrozenRepresentation
from loopd.learning.features.intakes import PoolRows
from loopd.learning.features.store import ROWS, FeatureStore, blocks
from loopd.learning.labels import several
from loopd.learning.shards.scoring import HeadOnRows, all_proba, best, on_disk

if TYPE_CHECKING:
    from loopd.learning.classifiers.backbone import Backbone

SPACE = "features.key"
"""Array of the saved form that names the space in which the head lives."""


class FrozenHeadFactory:
    """Makes logistic regressions over features that are computed once for each pool."""

    OPTIONS: ClassVar[Options] = {
        "layers": "all",
        "dimensions": 512,
        "c": 10.0,
        "balanced": False,
        "bf16": "auto",
        "threshold_folds": 5,
        "spread": 0,
        "spread_until": 200,
    }
    """Layers of the encoder whose mean-pooled states are taken (``all``, or numbers, 0 being the
    word embeddings), dimensions to which they are reduced (empty: not at all), inverse penalty,
    whether rare classes weigh more, whether the encoder multiplies in bf16, and for several labels
    the folds of the cross-validation that gives the thresholds (0: one half). ``spread`` and
    ``spread_until`` are those of ``spreading.Spreading``, with one label for each text."""

    draws_nothing = True
    """Training draws nothing: the members of an ensemble must differ in something else."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        self.num_classes = context.num_classes
        c = self.options["c"]
        if not isinstance(c, (int, float)) or isinstance(c, bool) or c <= 0:
            raise ModelError("classifier option c must be a number above 0")
        refuse_bad_folds(self.options["threshold_folds"])
        self.spreading = spreading(self.options["spread"], self.options["spread_until"])
        self._features = FrozenFeatures(
            context, lambda: self.backbone, FeatureOptions.of(self.options)
        )

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        from loopd.learning.classifiers.backbone import Backbone

        return Backbone(self._context.section)

    @property
    def pool_features(self) -> PoolRows:
        """Features (n, dimensions) of the pool, on disk."""
        return self._features.pool

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The encoder's last layer."""
        return FrozenRepresentation(self._features)

    @property
    def screening(self) -> None:
        """Nothing: the whole pool is scored in seconds."""
        return None

    def encode(
        self, texts: Sequence[str], fingerprint: str | None = None
    ) -> FeatureStore | Vectors:
        """Features (k, dimensions) of other texts."""
        return self._features.of(texts, fingerprint)

    def new(self, seed: int) -> FrozenHeadClassifier:
        """An untrained classifier; training draws nothing, so the seed is not needed."""
        del seed
        return FrozenHeadClassifier(self, self._context)

    def save(self, classifier: FrozenHeadClassifier) -> Tensors:
        """The head and the name of its space."""
        return {**classifier.heads.tensors(), SPACE: self._space()}

    def load(self, tensors: Tensors) -> FrozenHeadClassifier:
        """The classifier with a saved head."""
        classifier = self.new(0)
        classifier.heads = Heads.from_tensors(tensors, self.num_classes)
        if not np.array_equal(tensors[SPACE], self._space()):
            raise ValueError("the head belongs to other features")
        return classifier

    def describe(self) -> str:
        """Model, size and device; one text is embedded, which tells whether it is an encoder."""
        from loopd.learning.classifiers.backbone import explained

        described = self.backbone.describe()
        with explained(self.backbone.name):
            self._features.last_of(["a text"])
        return f"frozen head over {described}"

    def _space(self) -> NDArray[np.uint8]:
        return np.frombuffer(bytes.fromhex(self._features.key), dtype=np.uint8)


class FrozenHeadClassifier(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """Logistic regression over frozen features, as a small-text classifier."""

    heads: Heads

    def __init__(
        self, factory: FrozenHeadFactory, context: ClassifierContext, *, thresholds: bool = True
    ) -> None:
        self._factory = factory
        self._options = factory.options
        self._context = context
        self._folds = factory.options["threshold_folds"] if thresholds else 0
        self.num_classes = context.num_classes

    @property
    def head(self) -> LinearHead:
        """The head by which strategies see the model."""
        return self.heads.choosing

    def as_predictor(self) -> FrozenHeadClassifier:
        """The model with its other head, over the same encoder; itself where it has but one."""
        if not self.heads.differ:
            return self
        twin = copy.copy(self)
        twin.heads = self.heads.of_predictor()
        return twin

    @property
    def thresholds(self) -> Proba | None:
        """Probabilities (C,) from which on a text has a label; ``None`` is one half."""
        return self.head.thresholds

    def fit(
        self, train_set: IndexedDataset, weights: Weights | None = None
    ) -> FrozenHeadClassifier:
        """Fit the head; ``y`` may be class numbers or a sparse matrix of several labels."""
        heads = self._heads_of(train_set, weights)
        if several(train_set.y):
            head = with_thresholds(
                heads.choosing, train_set, self._bare, folds=self._folds, seed=0, weights=weights
            )
            heads = Heads(head, head)
        self.heads = heads
        return self

    def _heads_of(self, train_set: IndexedDataset, weights: Weights | None) -> Heads:
        spreading, features = self._factory.spreading, train_set.features

        def others() -> Vectors:
            rows = unlabelled(features.shape[0], train_set.taken, spreading.texts)
            vectors: Vectors = features[rows]
            return vectors

        examples = Examples(train_set.x, train_set.y, weights)
        return Heads.fitted(examples, others, spreading.weight(len(train_set)), self._head_of)

    def _head_of(self, examples: Examples) -> LinearHead:
        return fit_head(
            examples.vectors,
            examples.y,
            self.num_classes,
            c=self._options["c"],
            balanced=self._options["balanced"],
            weights=examples.weights,
        )

    def _bare(self, seed: int) -> FrozenHeadClassifier:
        del seed
        return FrozenHeadClassifier(self._factory, self._context, thresholds=False)

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), or a sparse (n, C) matrix for several labels; probabilities too."""
        proba = self.predict_proba(data_set)
        labels = self.head.decided(proba)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset) -> Proba:
        """Probabilities (n, C), block by block: no more than one block of features in memory."""
        rows = data_set.rows
        proba = np.empty((len(rows), self.num_classes), dtype=np.float32)
        model = self._elsewhere(data_set)
        if model is not None:
            context = self._context
            for block, part in all_proba(context.engine, model, rows, context.interrupt):
                proba[block] = part
            return proba
        for block in blocks(rows):
            self._context.interrupt()
            proba[block] = self.head.proba(data_set.features[rows[block]])
            self._context.progress("scoring", block.stop, len(rows))
        return proba

    def best_elsewhere(
        self, score: Score, among: IndexedDataset, n: int
    ) -> tuple[Positions, Scores] | None:
        """The best ``n`` of the rows by a score of their probabilities; ``None`` without workers.

        Workers send back their best alone.
        """
        model = self._elsewhere(among)
        # A strategy of the user's own may score by what cannot be sent.
        if model is None or score.__module__.partition(".")[0] != "loopd":
            return None
        model, context = replace(model, score=score), self._context
        return best(context.engine, model, among.rows, n, context.interrupt)

    def _elsewhere(self, data_set: IndexedDataset) -> HeadOnRows | None:
        """What workers need to score the rows; ``None`` where this process does it."""
        features, engine = data_set.features, self._context.engine
        if len(data_set) <= ROWS or not engine.spreads or not on_disk(features):
            return None
        return HeadOnRows(self.head, features, self.num_classes)

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """The features (n, dimensions), and probabilities if asked."""
        del pbar
        features: Vectors = data_set.x
        return (features, self.predict_proba(data_set)) if return_proba else features
