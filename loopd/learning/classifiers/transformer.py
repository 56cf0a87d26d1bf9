"""Owns what fine-tuned transformers share: settings and encoder; must not know ids or strategies.

The recipe: supervised contrastive fine-tuning for a few epochs with mean pooling, then logistic
heads on the vectors: one that chooses and one that predicts, see ``heads``. It needs no validation
split, which 20 labels could not spare, and works with a class that has one example or none.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from loopd.learning.arrays import Options, Positions, Tensors
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.contrastive import ContrastiveRecipe
from loopd.learning.classifiers.fine_tuning import (
    Recipe,
    trainable_encoder,
)
from loopd.learning.classifiers.options import refuse_bad_share, refuse_bad_values
from loopd.learning.classifiers.pooling import Elsewhere, Embedder
from loopd.learning.classifiers.self_training import self_training
from loopd.learning.classifiers.spreading import spreading
from loopd.learning.classifiers.thresholds import refuse_bad_folds
from loopd.learning.classifiers.transformer_classifier import TransformerClassifier
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.features.intakes import PoolRows, PoolTokens
from loopd.learning.features.tokens import Tokens, TokenStore
from loopd.learning.takeover import growth


class TransformerFactory:
    """Makes fine-tuned classifiers from one pretrained encoder, loaded at the first use."""

    OPTIONS: ClassVar[Options] = {
        "epochs": 4,
        "min_steps": 14,
        "max_steps": None,
        "retune_from": 2000,
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
        "spread": 1200,
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

    def new_chooser(self, seed: int) -> TransformerClassifier:
        """The same without what only predicts: no second encoder, and no head of guesses."""
        return TransformerClassifier(self, seed, predicts=False)

    def save(self, classifier: TransformerClassifier) -> Tensors:
        """What training made of it, as arrays."""
        return classifier.tensors()

    def load(self, tensors: Tensors) -> TransformerClassifier:
        """The classifier with saved weights."""
        return self.new(0).restore(tensors)

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
        trained = recipe.TrainedRecipe(of_factory, classifier.own_tensors())
        return scoring.elsewhere(engine, trained, context.interrupt)

    def training(self, done: int, total: int) -> None:
        """Between two optimiser steps."""
        self._context.interrupt()
        self._context.progress("training", done, total)
