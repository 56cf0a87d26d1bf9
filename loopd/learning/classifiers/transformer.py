"""Owns the fine-tuned transformer as a small-text classifier; must not know ids or strategies.

The recipe: supervised contrastive fine-tuning for a few epochs with mean pooling, then a logistic
head on the vectors. It needs no validation split, which 20 labels could not spare, and works with
a class that has one example or none.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.errors import ModelError
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import Surroundings
from loopd.learning.classifiers.contrastive import Lesson, Recipe, fine_tune
from loopd.learning.classifiers.linear import LinearHead, fit_head, from_tensors
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.classifiers.source import identity
from loopd.learning.classifiers.thresholds import refuse_bad_folds, with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.features.store import FeatureStore
from loopd.learning.features.tokens import TokenStore, cached, tokenized

ENCODER = "encoder."
"""Prefix of the encoder's weights in the saved form."""


class TransformerFactory:
    """Makes fine-tuned classifiers from one pretrained encoder, loaded at the first use."""

    OPTIONS: Mapping[str, Any] = {
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
    """See ``contrastive.Recipe``; ``head_c`` is the logistic head's inverse penalty,
    ``freeze_embeddings`` keeps the word vectors as they are (they are half of a small model),
    ``bf16`` is ``auto``, ``true`` or ``false``, ``threshold_folds`` for several labels the folds of
    the cross-validation that gives the thresholds (0: one half)."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self.options = {**self.OPTIONS, **surroundings.section.options}
        self.num_classes = surroundings.num_classes
        _refuse_bad_values(self.options)
        refuse_bad_folds(self.options["threshold_folds"])

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        return Backbone(self._around.section)

    @cached_property
    def pool_features(self) -> TokenStore:
        """Tokens of the pool, memory-mapped."""
        pool = self._around.pool
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
        return FrozenFeatures(self._around, lambda: self.backbone)

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> TokenStore:
        """Tokens of the texts; with a fingerprint they are kept on disk."""

        def make() -> TokenStore:
            return tokenized(texts, self.backbone.tokenize, self._tokenizing)

        if fingerprint is None:
            return make()
        model = identity(self._around.section.model)
        key = f"{fingerprint}/{model}/{self.backbone.max_tokens}"
        return cached(self._around.cache / "tokens", key, len(texts), make)

    def new(self, seed: int) -> TransformerClassifier:
        """A classifier with the pretrained weights."""
        return TransformerClassifier(self, seed)

    def save(self, classifier: TransformerClassifier) -> dict[str, NDArray[np.generic]]:
        """The weights that training may change, and the head."""
        encoder = {
            ENCODER + name: weight.detach().cpu().numpy()
            for name, weight in classifier.encoder.named_parameters()
            if weight.requires_grad
        }
        return {**encoder, **classifier.head.tensors()}

    def load(self, tensors: Mapping[str, NDArray[np.generic]]) -> TransformerClassifier:
        """The classifier with saved weights."""
        classifier = self.new(0)
        with torch.no_grad():
            for name, weight in classifier.encoder.named_parameters():
                if weight.requires_grad:
                    saved = torch.from_numpy(tensors[ENCODER + name])
                    if saved.shape != weight.shape:
                        raise ValueError(f"{name} has another shape")
                    weight.copy_(saved)
        classifier.head = from_tensors(tensors, self.num_classes)
        return classifier

    def describe(self) -> str:
        """Model, size and device; one text is embedded, which tells whether it is an encoder."""
        described = self.backbone.describe()
        with explained(self.backbone.name):
            tokens = self.encode(["a text"])
            self.embedder(self.backbone.copy(), tokens, "checking").embed(np.zeros(1, dtype=int))
        return f"transformer {described}"

    def recipe(self) -> Recipe:
        """The settings of the fine-tuning."""
        names = ("epochs", "min_steps", "learning_rate", "batch_size", "views", "dropout")
        return Recipe(
            **{name: self.options[name] for name in names}, temperature=self.options["temperature"]
        )

    def embedder(self, encoder: torch.nn.Module, tokens: TokenStore, what: str) -> Embedder:
        """An encoder over tokens that reports and may be interrupted."""
        return Embedder(
            encoder,
            tokens,
            self.backbone.padding,
            self.bf16,
            self._around.interrupt,
            lambda done, total: self._around.progress(what, done, total),
        )

    @property
    def bf16(self) -> bool:
        """Whether to train and to screen in bf16."""
        wish = self.options["bf16"]
        return bf16_pays(self.backbone.device) if wish == "auto" else bool(wish)

    def training(self, done: int, total: int) -> None:
        """Between two optimiser steps."""
        self._around.interrupt()
        self._around.progress("training", done, total)

    def _tokenizing(self, done: int, total: int) -> None:
        self._around.interrupt()
        self._around.progress("tokenising", done, total)


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
        self.encoder = factory.backbone.copy()
        for name, weight in self.encoder.named_parameters():
            frozen = factory.options["freeze_embeddings"] and "word_embeddings" in name
            weight.requires_grad_(not frozen)

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
        lesson = Lesson(
            train_set.rows,
            train_set.y.toarray() if train_set.is_multi_label else train_set.y,
            ones if weights is None else weights,
            self._factory.training,
        )
        embedder = self._factory.embedder(self.encoder, train_set.features, "embedding")
        torch.manual_seed(self._seed)
        fine_tune(embedder, self._factory.recipe(), lesson, self._seed)
        head = fit_head(
            _normalized(embedder.embed(train_set.rows)),
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

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:
        """Class numbers (n,), or a sparse (n, C) matrix for several labels; probabilities too."""
        proba = self.predict_proba(data_set)
        labels = self.head.decided(proba)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset, dropout_sampling: int = 1) -> Any:
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
    def screen_proba(self) -> Callable[[IndexedDataset], NDArray[np.float32]] | None:
        """Rough probabilities in bf16, ``None`` where the device does not gain from it."""
        if not self._factory.bf16:
            return None
        return lambda data_set: self.head.proba(self._vectors(data_set, bf16=True))

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:
        """Mean-pooled vectors (n, d) of length 1 without padding, and probabilities if asked."""
        del pbar
        vectors = self._vectors(data_set)
        return (vectors, self.head.proba(vectors)) if return_proba else vectors

    def _vectors(self, data_set: IndexedDataset, *, bf16: bool = False) -> NDArray[np.float32]:
        embedder = self._factory.embedder(self.encoder, data_set.features, "scoring")
        return _normalized(embedder.embed(data_set.rows, bf16=bf16))

    def _proba(self, data_set: IndexedDataset) -> NDArray[np.float32]:
        if len(data_set) == 0:
            return np.empty((0, self.num_classes), dtype=np.float32)
        return self.head.proba(self._vectors(data_set))


def _normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return scaled


def _refuse_bad_values(options: Mapping[str, Any]) -> None:
    for name in ("epochs", "min_steps", "batch_size", "views"):
        if not isinstance(options[name], int) or options[name] < (name != "min_steps"):
            raise ModelError(f"classifier option {name} must be a whole number above 0")
    for name in ("learning_rate", "temperature", "head_c"):
        if not isinstance(options[name], (int, float)) or options[name] <= 0:
            raise ModelError(f"classifier option {name} must be a number above 0 (write 0.0001)")
    dropout = options["dropout"]
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ModelError("classifier option dropout must be a number from 0 to below 1")
    for name, allowed in (("freeze_embeddings", (True, False)), ("bf16", ("auto", True, False))):
        if options[name] not in allowed:
            raise ModelError(f"classifier option {name} must be one of {allowed}")
