"""Owns the fine-tuned transformer as a small-text classifier; must not know ids or strategies.

The recipe: supervised contrastive fine-tuning for a few epochs with mean pooling, then logistic
heads on the vectors: one that chooses and one that predicts, see ``heads``. It needs no validation
split, which 20 labels could not spare, and works with a class that has one example or none.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.learning.arrays import Options, Positions, Proba, Tensors, Vectors, Weights
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.contrastive import ClassifiedTexts, ContrastiveRecipe, fine_tune
from loopd.learning.classifiers.fine_tuning import (
    Recipe,
    restored,
    saved,
    trainable_encoder,
    trained_weights,
)
from loopd.learning.classifiers.heads import Heads
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.classifiers.options import refuse_bad_share, refuse_bad_values
from loopd.learning.classifiers.pooling import Batch, Elsewhere, Embedder
from loopd.learning.classifiers.self_training import GUESS_WEIGHT, LOOKED_AT, self_training, surest
from loopd.learning.classifiers.spreading import Examples, Guesses, spreading, unlabelled
from loopd.learning.classifiers.thresholds import refuse_bad_folds, with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.features.intakes import PoolRows, PoolTokens
from loopd.learning.features.tokens import Tokens, TokenStore
from loopd.learning.labels import several
from loopd.learning.takeover import growth
from loopd.learning.unit_vectors import unit


class TransformerFactory:
    """Makes fine-tuned classifiers from one pretrained encoder, loaded at the first use."""

    OPTIONS: ClassVar[Options] = {
        "epochs": 4,
        "min_steps": 14,
        "max_steps": None,
        "retune_from": 1000,
        "retune_growth": 0.1,
        "learning_rate": 1.5e-4,
        "batch_size": 32,
        "views": 1,
        "dropout": 0.0,
        "temperature": 0.2,
        "head_c": 10.0,
        "freeze_embeddings": True,
        "frozen_share": 1 / 3,
        "bf16": "auto",
        "threshold_folds": 2,
        "spread": 0,
        "spread_until": 200,
        "self_training": 0,
        "self_training_until": 100,
    }
    """See ``contrastive.ContrastiveRecipe``; ``head_c`` is the logistic head's inverse penalty,
    ``freeze_embeddings`` keeps the word vectors as they are (they are half of a small model),
    ``frozen_share`` that share of the layers too, from the lowest,
    ``bf16`` is ``auto``, ``true`` or ``false``, ``threshold_folds`` for several labels the folds of
    the cross-validation that gives the thresholds (0: one half). ``spread`` and ``spread_until``
    are those of ``spreading.Spreading``, ``self_training`` and ``self_training_until`` those of
    ``self_training.SelfTraining``, all with one label for each text."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        self.num_classes = context.num_classes
        refuse_bad_values(
            self.options,
            whole=("epochs", "min_steps", "batch_size", "views"),
            positive=("learning_rate", "temperature", "head_c"),
        )
        refuse_bad_share("frozen_share", self.options["frozen_share"])
        refuse_bad_folds(self.options["threshold_folds"])
        self.growth = growth(self.options["retune_growth"], self.options["retune_from"])
        self.spreading = spreading(self.options["spread"], self.options["spread_until"])
        self.self_training = self_training(
            self.options["self_training"], self.options["self_training_until"]
        )

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        return Backbone(self._context.section)

    @property
    def pool_features(self) -> PoolTokens:
        """Tokens of the pool, memory-mapped."""
        return self._frozen.pool_tokens

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The frozen encoder's last layer."""
        return FrozenRepresentation(self._frozen)

    @property
    def screening(self) -> PoolRows:
        """Features of the frozen encoder, by which a big pool is narrowed."""
        return self._frozen.pool

    def token_counts(self) -> Positions:
        """Tokens (n,) that are read of each text of the pool."""
        return self.pool_features.lengths

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
        """The weights that training may change, and the heads."""
        return {**saved(trained_weights(classifier.encoder)), **classifier.heads.tensors()}

    def load(self, tensors: Tensors) -> TransformerClassifier:
        """The classifier with saved weights."""
        classifier = self.new(0)
        restored(classifier.encoder, tensors)
        classifier.heads = Heads.from_tensors(tensors, self.num_classes)
        return classifier

    def describe(self) -> str:
        """Model, size and device; one text is embedded, which tells whether it is an encoder."""
        described = self.backbone.describe()
        with explained(self.backbone.name):
            tokens = self.encode(["a text"])
            self.embedder(self.backbone.copy(), tokens, "checking").embed(np.zeros(1, dtype=int))
        return f"transformer {described}"

    def trainable(self) -> torch.nn.Module:
        """A copy of the pretrained encoder, parts of which training leaves as they are."""
        return trainable_encoder(
            self.backbone,
            freeze_embeddings=self.options["freeze_embeddings"],
            frozen_share=self.options["frozen_share"],
        )

    def recipe(self) -> ContrastiveRecipe:
        """The settings of the fine-tuning."""
        names = ("epochs", "min_steps", "learning_rate", "batch_size", "dropout")
        steps = Recipe(*(self.options[name] for name in names))
        steps = replace(steps, max_steps=self.options["max_steps"])
        return ContrastiveRecipe(steps, self.options["views"], self.options["temperature"])

    def embedder(self, encoder: torch.nn.Module, tokens: Tokens, what: str) -> Embedder:
        """An encoder over tokens that reports and may be interrupted."""
        return Embedder(
            encoder,
            tokens,
            self.backbone.padding,
            self.bf16,
            self._context.interrupt,
            lambda done, total: self._context.progress(what, done, total),
            self.backbone.window,
        )

    @property
    def bf16(self) -> bool:
        """Whether to train and to screen in bf16."""
        wish = self.options["bf16"]
        return bf16_pays(self.backbone.device) if wish == "auto" else bool(wish)

    def elsewhere(self, classifier: TransformerClassifier, texts: int) -> Elsewhere | None:
        """What embeds so many texts by a trained classifier in other processes, if that pays."""
        from loopd.learning.shards import recipe, scoring

        context = self._context
        engine = context.engine
        if texts < scoring.FEWEST_TEXTS or not recipe.spreads(engine, context.section):
            return None
        of_factory = recipe.FactoryRecipe.of(context)
        trained = recipe.TrainedRecipe(of_factory, self.save(classifier))
        return scoring.elsewhere(engine, trained, context.interrupt)

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

    heads: Heads

    def __init__(self, factory: TransformerFactory, seed: int, *, thresholds: bool = True) -> None:
        self._factory = factory
        self._seed = seed
        self._folds = factory.options["threshold_folds"] if thresholds else 0
        self.num_classes = factory.num_classes
        self.encoder = factory.trainable()

    @property
    def head(self) -> LinearHead:
        """The head by which strategies see the model."""
        return self.heads.choosing

    def as_predictor(self) -> TransformerClassifier:
        """The model with its other head, over the same encoder; itself where it has but one."""
        if not self.heads.differ:
            return self
        twin = copy.copy(self)
        twin.heads = self.heads.of_predictor()
        return twin

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
        y = train_set.y
        heads = self._trained(train_set, weights)
        if several(y):
            head = with_thresholds(
                heads.choosing,
                train_set,
                self._bare,
                folds=self._folds,
                seed=self._seed,
                weights=weights,
            )
            heads = Heads(head, head)
        elif len((guesses := self._guesses(train_set, heads)).rows):
            self.encoder = self._factory.trainable()
            heads = self._trained(train_set, weights, guesses)
        self.heads = heads
        return self

    def _trained(
        self, train_set: IndexedDataset, weights: Weights | None, guesses: Guesses | None = None
    ) -> Heads:
        """Fine-tune the encoder on labels and guesses, and fit the heads on the labels."""
        y = train_set.y
        texts = ClassifiedTexts(
            train_set.rows,
            y.toarray() if several(y) else y,
            np.ones(len(train_set), dtype=np.float32) if weights is None else weights,
            self._factory.training,
        )
        if guesses is not None:
            texts = texts.with_guesses(guesses, GUESS_WEIGHT)
        embedder = self._factory.embedder(self.encoder, _tokens(train_set), "embedding")
        torch.manual_seed(self._seed)
        fine_tune(embedder, self._factory.recipe(), texts, self._seed)
        return self._heads_of(train_set, embedder, weights)

    def _guesses(self, train_set: IndexedDataset, heads: Heads) -> Guesses:
        """Labels of unlabelled texts of which the encoder as it is now is sure."""
        tokens, count = _tokens(train_set), self._factory.self_training.count(len(train_set))
        rows = unlabelled(tokens.shape[0], train_set.taken, LOOKED_AT if count else 0)
        if not len(rows):
            return Guesses(rows, rows)
        embedder = self._factory.embedder(self.encoder, tokens, "embedding")
        vectors = unit(embedder.embed(rows, bf16=self._factory.bf16))
        guesses = surest(heads.predicting.proba(vectors), count, self._seed)
        return Guesses(rows[guesses.rows], guesses.y)

    def refit(self, train_set: IndexedDataset, weights: Weights | None = None) -> None:
        """Fit the heads anew on the encoder as it is, with vectors in bf16 where that pays.

        The thresholds of several labels stay: they would cost fine-tuning.

        Raises:
            Interrupted: a stop was asked for.
        """
        embedder = self._factory.embedder(self.encoder, _tokens(train_set), "embedding")
        heads = self._heads_of(train_set, embedder, weights, bf16=self._factory.bf16)
        if self.thresholds is not None:
            head = replace(heads.choosing, thresholds=self.thresholds)
            heads = Heads(head, head)
        self.heads = heads

    def _heads_of(
        self,
        train_set: IndexedDataset,
        embedder: Embedder,
        weights: Weights | None,
        *,
        bf16: bool = False,
    ) -> Heads:
        """The heads over the fine-tuned encoder; guesses need no more than bf16."""
        spreading, tokens = self._factory.spreading, _tokens(train_set)

        def others() -> Vectors:
            rows = unlabelled(tokens.shape[0], train_set.taken, spreading.texts)
            return unit(embedder.embed(rows, bf16=self._factory.bf16))

        vectors = unit(embedder.embed(train_set.rows, bf16=bf16))
        examples = Examples(vectors, train_set.y, weights)
        return Heads.fitted(examples, others, spreading.weight(len(train_set)), self._head_of)

    def _head_of(self, examples: Examples) -> LinearHead:
        return fit_head(
            examples.vectors,
            examples.y,
            self.num_classes,
            c=self._factory.options["head_c"],
            weights=examples.weights,
        )

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
        embedder = replace(embedder, elsewhere=self._factory.elsewhere(self, len(data_set)))
        return unit(embedder.embed(data_set.rows, bf16=bf16))

    def embedded(
        self, batches: Sequence[Batch], layers: Sequence[int], *, bf16: bool
    ) -> list[Vectors]:
        """Vectors (k, layers * d) of batches of texts, as they are: not of length 1."""
        nothing = TokenStore(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64))
        embedder = self._factory.embedder(self.encoder, nothing, "scoring")
        return [fetch() for fetch in embedder.passed(batches, layers, bf16=bf16)]

    def _proba(self, data_set: IndexedDataset) -> NDArray[np.float32]:
        if len(data_set) == 0:
            return np.empty((0, self.num_classes), dtype=np.float32)
        return self.head.proba(self._vectors(data_set))


def _tokens(data_set: IndexedDataset) -> Tokens:
    return cast("Tokens", data_set.features)  # as ``encode`` made them
