"""Owns how taggers are built, written down and read back; must not train or tag.

Imports torch at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from loopd.learning.arrays import Options, Tensors
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.fine_tuning import (
    Recipe,
    restore,
    restored,
    saved,
    trained_weights,
)
from loopd.learning.classifiers.options import refuse_bad_values
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.classifiers.source import identity
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.spans.alignment import Borders
from loopd.learning.spans.states import AtomStates
from loopd.learning.spans.tagger import SpanTagger
from loopd.learning.spans.tokens import SpanTokens, Vocabulary, kept, span_tokens
from loopd.learning.spans.training import TaggingRecipe
from loopd.storage.run_folder import TOKENS_FOLDER


class SpanTaggerFactory:
    """Makes fine-tuned taggers from one pretrained encoder, loaded at the first use."""

    OPTIONS: ClassVar[Options] = {
        "epochs": 5,
        "min_steps": 200,
        "learning_rate": 2e-4,
        "head_learning_rate": 5e-3,
        "batch_size": 8,
        "dropout": 0.1,
        "freeze_embeddings": True,
        "bf16": "auto",
    }
    """See ``training.TaggingRecipe``; ``freeze_embeddings`` keeps the word vectors as they are
    (they are half of a small model), ``bf16`` is ``auto``, ``true`` or ``false``."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        self.labels = context.labels
        refuse_bad_values(
            self.options,
            whole=("epochs", "min_steps", "batch_size"),
            positive=("learning_rate", "head_learning_rate"),
        )

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        return Backbone(self._context.section)

    @cached_property
    def pool_features(self) -> SpanTokens:
        """Tokens and atoms of the pool, memory-mapped."""
        pool = self._context.pool
        return self.encode(pool.texts, pool.fingerprint)

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The frozen encoder's states, as the single-label transformer has them."""
        return FrozenRepresentation(FrozenFeatures(self._context, lambda: self.backbone))

    @property
    def screening(self) -> None:
        """Nothing: strategies for spans narrow a big pool themselves."""
        return None

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> SpanTokens:
        """Tokens and atoms of the texts; with a fingerprint they are kept on disk."""
        if fingerprint is None:
            return self._tokenized(texts)
        model = identity(self._context.section.model)
        key = f"{fingerprint}/{model}/{self.backbone.max_tokens}"
        return kept(self._context.cache / TOKENS_FOLDER, key, texts, lambda: self._tokenized(texts))

    def split(self, texts: Sequence[str], borders: Sequence[Borders]) -> SpanTokens:
        """Tokens of texts that are cut into these atoms."""
        return self._tokenized(texts, borders)

    def new(self, seed: int) -> SpanTagger:
        """A tagger with the pretrained weights."""
        return SpanTagger(self, seed)

    def save(self, classifier: SpanTagger) -> Tensors:
        """The weights that training may change."""
        return saved(_weights(classifier))

    def load(self, tensors: Tensors) -> SpanTagger:
        """The tagger with saved weights.

        Raises:
            KeyError, ValueError: the arrays do not fit.
        """
        tagger = self.new(0)
        restored(tagger.encoder, tensors)
        restore(_head(tagger), tensors)
        return tagger

    def describe(self) -> str:
        """Model, size and device; one text is tagged, which tells whether it is an encoder."""
        described = self.backbone.describe()
        with explained(self.backbone.name):
            self.new(0).scored(self.encode(["a text"]), np.zeros(1, dtype=np.int64))
        return f"span tagger over {described}"

    def recipe(self) -> TaggingRecipe:
        """The settings of the fine-tuning."""
        names = ("epochs", "min_steps", "learning_rate", "batch_size", "dropout")
        steps = Recipe(*(self.options[name] for name in names))
        return TaggingRecipe(steps, self.options["head_learning_rate"])

    def states(self, encoder: torch.nn.Module, texts: SpanTokens, what: str) -> AtomStates:
        """An encoder over texts that reports and may be interrupted."""
        embedder = Embedder(
            encoder,
            texts.tokens,
            self.backbone.padding,
            self.bf16,
            self._context.interrupt,
            lambda done, total: self._context.progress(what, done, total),
        )
        return AtomStates(embedder, texts)

    @property
    def bf16(self) -> bool:
        """Whether to train and to screen in bf16."""
        wish = self.options["bf16"]
        return bf16_pays(self.backbone.device) if wish == "auto" else bool(wish)

    def tick(self, what: str, done: int, total: int) -> None:
        """Between two parts of a long step."""
        self._context.interrupt()
        self._context.progress(what, done, total)

    def _tokenized(
        self, texts: Sequence[str], borders: Sequence[Borders] | None = None
    ) -> SpanTokens:
        def tick(done: int, total: int) -> None:
            self.tick("tokenising", done, total)

        return span_tokens(texts, self._vocabulary, tick, borders)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        backbone = self.backbone
        tokenizer = backbone.tokenizer
        inside = tokenizer("a", add_special_tokens=False)["input_ids"]
        around = tokenizer("a")["input_ids"]
        start = around.index(inside[0])

        def pieces(some: Sequence[str]) -> Sequence[Sequence[int]]:
            ids: list[list[int]] = tokenizer(
                list(some),
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            return ids

        unknown = tokenizer.unk_token_id
        return Vocabulary(
            pieces,
            around[:start],
            around[start + len(inside) :],
            backbone.padding if unknown is None else int(unknown),
            backbone.max_tokens,
        )


def _weights(tagger: SpanTagger) -> dict[str, torch.Tensor]:
    """By their names in the saved form."""
    return {**trained_weights(tagger.encoder), **_head(tagger)}


def _head(tagger: SpanTagger) -> dict[str, torch.Tensor]:
    return {"head.weight": tagger.head.weight, "head.bias": tagger.head.bias}
