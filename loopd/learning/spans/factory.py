"""Owns how taggers are built, written down and read back; must not train or tag.

Imports torch at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.classifiers.backbone import Backbone, bf16_pays, explained
from loopd.learning.classifiers.contract import Surroundings
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.classifiers.source import identity
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.spans.alignment import Borders
from loopd.learning.spans.states import AtomStates
from loopd.learning.spans.tagger import SpanTagger
from loopd.learning.spans.tokens import SpanTokens, Vocabulary, kept, span_tokens
from loopd.learning.spans.training import Recipe

ENCODER = "encoder."
"""Prefix of the encoder's weights in the saved form."""


class SpanTaggerFactory:
    """Makes fine-tuned taggers from one pretrained encoder, loaded at the first use."""

    OPTIONS: Mapping[str, Any] = {
        "epochs": 5,
        "min_steps": 200,
        "learning_rate": 2e-4,
        "head_learning_rate": 5e-3,
        "batch_size": 8,
        "dropout": 0.1,
        "freeze_embeddings": True,
        "bf16": "auto",
    }
    """See ``training.Recipe``; ``freeze_embeddings`` keeps the word vectors as they are (they are
    half of a small model), ``bf16`` is ``auto``, ``true`` or ``false``."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self.options = {**self.OPTIONS, **surroundings.section.options}
        self.labels = surroundings.labels
        _refuse_bad_values(self.options)

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder."""
        return Backbone(self._around.section)

    @cached_property
    def pool_features(self) -> SpanTokens:
        """Tokens and atoms of the pool, memory-mapped."""
        pool = self._around.pool
        return self.encode(pool.texts, pool.fingerprint)

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The frozen encoder's states, as the single-label transformer has them."""
        return FrozenRepresentation(FrozenFeatures(self._around, lambda: self.backbone))

    @property
    def screening(self) -> None:
        """Nothing: strategies for spans narrow a big pool themselves."""
        return None

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> SpanTokens:
        """Tokens and atoms of the texts; with a fingerprint they are kept on disk."""
        if fingerprint is None:
            return self._tokenized(texts)
        model = identity(self._around.section.model)
        key = f"{fingerprint}/{model}/{self.backbone.max_tokens}"
        return kept(self._around.cache / "tokens", key, texts, lambda: self._tokenized(texts))

    def lesson(self, texts: Sequence[str], borders: Sequence[Borders]) -> SpanTokens:
        """Tokens of texts that are cut into given atoms."""
        return self._tokenized(texts, borders)

    def new(self, seed: int) -> SpanTagger:
        """A tagger with the pretrained weights."""
        return SpanTagger(self, seed)

    def save(self, classifier: SpanTagger) -> dict[str, NDArray[np.generic]]:
        """The weights that training may change."""
        encoder = {
            ENCODER + name: weight.detach().cpu().numpy()
            for name, weight in classifier.encoder.named_parameters()
            if weight.requires_grad
        }
        head = classifier.head
        return {
            **encoder,
            "head.weight": head.weight.detach().cpu().numpy(),
            "head.bias": head.bias.detach().cpu().numpy(),
        }

    def load(self, tensors: Mapping[str, NDArray[np.generic]]) -> SpanTagger:
        """The tagger with saved weights.

        Raises:
            KeyError, ValueError: the arrays do not fit.
        """
        tagger = self.new(0)
        places: dict[str, torch.Tensor] = {
            "head.weight": tagger.head.weight,
            "head.bias": tagger.head.bias,
        }
        for name, weight in tagger.encoder.named_parameters():
            if weight.requires_grad:
                places[ENCODER + name] = weight
        with torch.no_grad():
            for name, place in places.items():
                saved = torch.from_numpy(tensors[name])
                if saved.shape != place.shape:
                    raise ValueError(f"{name} has another shape")
                place.copy_(saved)
        return tagger

    def describe(self) -> str:
        """Model, size and device; one text is tagged, which tells whether it is an encoder."""
        described = self.backbone.describe()
        with explained(self.backbone.name):
            self.new(0).scored(self.encode(["a text"]), np.zeros(1, dtype=np.int64))
        return f"span tagger over {described}"

    def recipe(self) -> Recipe:
        """The settings of the fine-tuning."""
        names = ("epochs", "min_steps", "learning_rate", "head_learning_rate", "batch_size")
        return Recipe(
            **{name: self.options[name] for name in names}, dropout=self.options["dropout"]
        )

    def states(self, encoder: torch.nn.Module, texts: SpanTokens, what: str) -> AtomStates:
        """An encoder over texts that reports and may be interrupted."""
        embedder = Embedder(
            encoder,
            texts.tokens,
            self.backbone.padding,
            self.bf16,
            self._around.interrupt,
            lambda done, total: self._around.progress(what, done, total),
        )
        return AtomStates(embedder, texts)

    @property
    def bf16(self) -> bool:
        """Whether to train and to screen in bf16."""
        wish = self.options["bf16"]
        return bf16_pays(self.backbone.device) if wish == "auto" else bool(wish)

    def tick(self, what: str, done: int, total: int) -> None:
        """Between two parts of a long step."""
        self._around.interrupt()
        self._around.progress(what, done, total)

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
            found: list[list[int]] = tokenizer(
                list(some),
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            return found

        unknown = tokenizer.unk_token_id
        return Vocabulary(
            pieces,
            around[:start],
            around[start + len(inside) :],
            backbone.padding if unknown is None else int(unknown),
            backbone.max_tokens,
        )


def _refuse_bad_values(options: Mapping[str, Any]) -> None:
    for name in ("epochs", "min_steps", "batch_size"):
        if not isinstance(options[name], int) or options[name] < (name != "min_steps"):
            raise ModelError(f"classifier option {name} must be a whole number above 0")
    for name in ("learning_rate", "head_learning_rate"):
        if not isinstance(options[name], (int, float)) or options[name] <= 0:
            raise ModelError(f"classifier option {name} must be a number above 0 (write 0.0001)")
    dropout = options["dropout"]
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ModelError("classifier option dropout must be a number from 0 to below 1")
    for name, allowed in (("freeze_embeddings", (True, False)), ("bf16", ("auto", True, False))):
        if options[name] not in allowed:
            raise ModelError(f"classifier option {name} must be one of {allowed}")
