"""Owns the fine-tuned transformer as a small-text classifier; must not know ids or strategies.

The recipe: supervised contrastive fine-tuning for a few epochs with mean pooling, then a logistic
head on the vectors. It needs no validation split, which 20 labels could not spare, and works with
a class that has one example or none.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.learning.arrays import Options, Proba, Tensors
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.contrastive import ClassifiedTexts, ContrastiveRecipe, fine_tune
from loopd.learning.classifiers.fine_tuning import (
    Recipe,
    restore,
    saved,
    trainable_encoder,
    trained_weights,
)
from loopd.learning.classifiers.linear import LinearHead, fit_head, from_tensors
from loopd.learning.classifiers.options import refuse_bad_values
from loopd.learning.classifiers.pooling import Embedder, unit
from loopd.learning.classifiers.thresholds import refuse_bad_folds, with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.features.store import FeatureStore
from loopd.learning.features.tokens import TokenStore
from loopd.learning.labels import several


class TransformerFactory:
    """Makes fine-tuned classifiers from one pretrained encoder, loaded at the first use."""

    OPTIONS: ClassVar[Options] = {
        "epochs": 6,
        "min_steps": 20,
        "learning_rate": 1.5e-4,
        "batch_size": 32,
        "views": 1,
        "dropout": 0.0,
        "temperature": 0.2,
        "head_c": 10.0,
        "freeze_embeddings": True,
        "bf16": "auto",
        "threshold_folds": 2,
    }
    """See ``contrastive.ContrastiveRecipe``; ``head_c`` is the logistic head's inverse penalty,
    ``freeze_embeddings`` keeps the word vectors as they are (they are half of a small model),
    ``bf16`` is ``auto``, ``true`` or ``false``, ``threshold_folds`` for several labels the folds of
    the cross-validation that gives the thresholds (0: one half)."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        self.num_classes = context.num_classes
        refuse_bad_values(
            self.options,
            whole=("epochs", "min_steps", "batch_size", "views"),
            positive=("learning_rate", "temperature", "head_c"),
        )
        refuse_bad_folds(self.options["threshold_folds"])

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        return Backbone(self._context.section)

    @cached_property
    def pool_features(self) -> TokenStore:
        """Tokens of the pool, memory-mapped."""
        pool = self._context.pool
        return self.encode(pool.texts, pool.fingerprint)

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The frozen encoder's last layer."""
        return FrozenRepresentation(self._frozen)

    @property
    def screening(self) -> FeatureStore:
        """Features of the frozen encoder, by which a big pool is narrowed."""
        return self._frozen.pool

    @cached_property
    def _frozen(self) -> FrozenFeatures:
        return FrozenFeatures(self._context, lambda: self.backbone)

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> TokenStore:
        """Tokens of the texts; with a fingerprint they are kept on disk."""
        return self._frozen.tokens(texts, fingerprint)

    def new(self, seed: int) -> TransformerClassifier:
        """A classifier with the pretrained weights."""
        return TransformerClassifier(self, seed)

    def save(self, classifier: TransformerClassifier) -> Tensors:
        """The weights that training may change, and the head."""
        return {**saved(trained_weights(classifier.encoder)), **classifier.head.tensors()}

    def load(self, tensors: Tensors) -> TransformerClassifier:
        """The classifier with saved weights."""
        classifier = self.new(0)
        restore(trained_weights(classifier.encoder), tensors)
        classifier.head = from_tensors(tensors, self.num_classes)
        return classifier

    def describe(self) -> str:
        """Model, size and device; one text is embedded, which tells whether it is an encoder."""
        described = self.backbone.describe()
        with explained(self.backbone.name):
            tokens = self.encode(["a text"])
            self.embedder(self.backbone.copy(), tokens, "checking").embed(np.zeros(1, dtype=int))
        return f"transformer {described}"

    def recipe(self) -> ContrastiveRecipe:
        """The settings of the fine-tuning."""
        names = ("epochs", "min_steps", "learning_rate", "batch_size", "dropout")
        steps = Recipe(*(self.options[name] for name in names))
        return ContrastiveRecipe(steps, self.options["views"], self.options["temperature"])

    def embedder(self, encoder: torch.nn.Module, tokens: TokenStore, what: str) -> Embedder:
        """An encoder over tokens that reports and may be interrupted."""
        return Embedder(
            encoder,
            tokens,
            self.backbone.padding,
            self.bf16,
            self._context.interrupt,
            lambda done, total: self._context.progress(what, done, total),
        )

    @property
    def bf16(self) -> bool:
        """Whether to train and to screen in bf16."""
        wish = self.options["bf16"]
        return bf16_pays(self.backbone.device) if wish == "auto" else bool(wish)

    def training(self, done: int, total: int) -> None:
        """Between two optimiser steps."""
        self._context.interrupt()
        self._context.progress("training", done, total)


class TransformerClassifier(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """A fine-tuned encoder with a logistic head, as a small-text classifier.

    Args:
        factory: the settings and the pretrained encoder.
        seed: of training.
    """

    head: LinearHead

    def __init__(self, factory: TransformerFactory, seed: int, *, thresholds: bool = True) -> None:
        self._factory = factory
        self._seed = seed
        self._folds = factory.options["threshold_folds"] if thresholds else 0
        self.num_classes = factory.num_classes
        self.encoder = trainable_encoder(
            factory.backbone, freeze_embeddings=factory.options["freeze_embeddings"]
        )

    @property
    def thresholds(self) -> NDArray[np.float32] | None:
        """Probabilities (C,) from which on a text has a label; ``None`` is one half."""
        return self.head.thresholds

    def fit(
        self, train_set: IndexedDataset, weights: NDArray[np.float32] | None = None
    ) -> TransformerClassifier:
        """Fine-tune the encoder, then fit the head; draws only from seeded generators.

        With several labels for each text, each fold of the thresholds fine-tunes another encoder.

        Raises:
            Interrupted: a stop was asked for.
        """
        ones = np.ones(len(train_set), dtype=np.float32)
        y = train_set.y
        texts = ClassifiedTexts(
            train_set.rows,
            y.toarray() if several(y) else y,
            ones if weights is None else weights,
            self._factory.training,
        )
        embedder = self._factory.embedder(self.encoder, _tokens(train_set), "embedding")
        torch.manual_seed(self._seed)
        fine_tune(embedder, self._factory.recipe(), texts, self._seed)
        head = fit_head(
            unit(embedder.embed(train_set.rows)),
            train_set.y,
            self.num_classes,
            c=self._factory.options["head_c"],
            weights=weights,
        )
        self.head = with_thresholds(
            head, train_set, self._bare, folds=self._folds, seed=self._seed, weights=weights
        )
        return self

    def _bare(self, seed: int) -> TransformerClassifier:
        return TransformerClassifier(self._factory, seed, thresholds=False)

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), or a sparse (n, C) matrix for several labels; probabilities too."""
        proba = self.predict_proba(data_set)
        labels = self.head.decided(proba)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset, dropout_sampling: int = 1) -> Proba:
        """Probabilities (n, C); with dropout samples (n, samples, C) (Gal and Ghahramani 2016)."""
        if dropout_sampling == 1:
            return self._proba(data_set)
        self.encoder.train()
        try:
            samples = [self._proba(data_set) for _ in range(dropout_sampling)]
        finally:
            self.encoder.eval()
        return np.stack(samples, axis=1)

    @property
    def screen_proba(self) -> Callable[[IndexedDataset], Proba] | None:
        """Rough probabilities in bf16, ``None`` where the device does not gain from it."""
        if not self._factory.bf16:
            return None
        return lambda data_set: self.head.proba(self._vectors(data_set, bf16=True))

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """Mean-pooled vectors (n, d) of length 1 without padding, and probabilities if asked."""
        del pbar
        vectors = self._vectors(data_set)
        return (vectors, self.head.proba(vectors)) if return_proba else vectors

    def _vectors(self, data_set: IndexedDataset, *, bf16: bool = False) -> NDArray[np.float32]:
        embedder = self._factory.embedder(self.encoder, _tokens(data_set), "scoring")
        return unit(embedder.embed(data_set.rows, bf16=bf16))

    def _proba(self, data_set: IndexedDataset) -> NDArray[np.float32]:
        if len(data_set) == 0:
            return np.empty((0, self.num_classes), dtype=np.float32)
        return self.head.proba(self._vectors(data_set))


def _tokens(data_set: IndexedDataset) -> TokenStore:
    return cast("TokenStore", data_set.features)  # as ``encode`` made them
