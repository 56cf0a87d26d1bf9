"""Owns the fine-tuned tagger as a small-text classifier; must not know ids or strategies.

The recipe: an encoder and a linear head over each atom's first token, fine-tuned together with
cross entropy, the head with a rate of its own. It needs no validation split, which 20 texts could
not spare, and works where no text has a span.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.learning.dataset import IndexedDataset
from loopd.learning.spans.alignment import atoms, checked, refined, spans_of, tagged, trimmed
from loopd.learning.spans.fitted import TokenProba, no_class
from loopd.learning.spans.tokens import SpanTokens
from loopd.learning.spans.training import Lesson, fine_tune
from loopd.learning.spans.viterbi import best_paths
from loopd.records import Span

if TYPE_CHECKING:
    from loopd.learning.spans.factory import SpanTaggerFactory

Positions = NDArray[np.int64]
Scored = tuple[tuple[Span, ...], tuple[float, ...]]
"""The spans of a text and their probabilities."""


class SpanTagger(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """A fine-tuned encoder with a tag head, as a small-text classifier.

    Data sets hold :class:`SpanTokens`; in training ``y`` is an object array (n,) of tuples of
    spans.

    Args:
        factory: the settings and the pretrained encoder.
        seed: of training.
    """

    def __init__(self, factory: SpanTaggerFactory, seed: int) -> None:
        self._factory = factory
        self._seed = seed
        self.num_classes = len(factory.labels)
        self.encoder = factory.backbone.copy()
        for name, weight in self.encoder.named_parameters():
            frozen = factory.options["freeze_embeddings"] and "word_embeddings" in name
            weight.requires_grad_(not frozen)
        self.head = self._empty_head()

    def fit(
        self, train_set: IndexedDataset, weights: NDArray[np.float32] | None = None
    ) -> SpanTagger:
        """Fine-tune encoder and head; draws only from seeded generators.

        Spans that cut a word are learned as they are: the word is split there. White space at
        their borders is not learned, nor what lies behind the model's last token.

        Raises:
            DataError: spans overlap, lie outside their text, or have an unknown label.
            Interrupted: a stop was asked for.
        """
        factory = self._factory
        texts = [train_set.features.texts[row] for row in train_set.rows]
        spans = [
            trimmed(text, checked(text, some, factory.labels))
            for text, some in zip(texts, train_set.y, strict=True)
        ]
        store = factory.lesson(
            texts, [refined(atoms(text), some) for text, some in zip(texts, spans, strict=True)]
        )
        lesson = Lesson(
            [tagged(store.borders(row), some, factory.labels) for row, some in enumerate(spans)],
            np.ones(len(texts), dtype=np.float32) if weights is None else weights,
            lambda done, total: factory.tick("training", done, total),
        )
        torch.manual_seed(self._seed)
        states = factory.states(self.encoder, store, "training")
        fine_tune(states, self.head, factory.recipe(), lesson, self._seed)
        return self

    def predict(self, data_set: IndexedDataset) -> list[tuple[Span, ...]]:
        """The spans of each text's likeliest legal tags."""
        return [spans for spans, _ in self.predict_scored(data_set)]

    def predict_proba(self, data_set: IndexedDataset, **options: Any) -> Any:
        """Never: part of small-text's interface.

        Raises:
            ModelError: a text with spans has no one class.
        """
        del data_set, options
        raise no_class()

    def predict_scored(self, data_set: IndexedDataset) -> list[Scored]:
        """Spans with their probabilities: the least one of a span's tags.

        Tags of one span rise and fall together, so that their product would be far too low.
        """
        proba, offsets = self.token_proba(data_set)
        tags, _ = best_paths(proba, offsets)
        chosen = proba[np.arange(len(tags)), tags]
        return [
            self._spans(data_set.features, int(row), tags[start:end], chosen[start:end])
            for row, start, end in zip(data_set.rows, offsets, offsets[1:], strict=False)
        ]

    def token_proba(self, data_set: IndexedDataset) -> TokenProba:
        """Probabilities of the tags of all atoms."""
        return self.scored(data_set.features, data_set.rows)

    @property
    def screen_proba(self) -> Callable[[IndexedDataset], TokenProba] | None:
        """Rough probabilities in bf16, ``None`` where the device does not gain from it."""
        if not self._factory.bf16:
            return None
        return lambda data_set: self.scored(data_set.features, data_set.rows, bf16=True)

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:
        """Mean-pooled vectors (n, d) of length 1 without padding, and token probabilities if asked.

        Vectors of all tokens, as ``classifiers.pooling`` makes them.
        """
        del pbar
        embedder = self._factory.states(self.encoder, data_set.features, "scoring").embedder
        vectors = embedder.embed(data_set.rows)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.maximum(lengths, 1e-12)
        return (vectors, self.token_proba(data_set)) if return_proba else vectors

    def scored(self, texts: SpanTokens, rows: Positions, *, bf16: bool = False) -> TokenProba:
        """Probabilities of the tags of some rows."""
        states = self._factory.states(self.encoder, texts, "scoring")
        return states.scored(rows, self.head.weight, self.head.bias, bf16=bf16)

    def _spans(
        self,
        texts: SpanTokens,
        row: int,
        tags: NDArray[np.int64],
        proba: NDArray[np.float32],
    ) -> Scored:
        borders = texts.borders(row)
        spans = spans_of(borders, tags, self._factory.labels)
        return spans, tuple(_least(borders[:, 0], proba, span) for span in spans)

    def _empty_head(self) -> torch.nn.Linear:
        """All tags equally likely: nothing is drawn, and the order of labels does not matter."""
        width = int(getattr(self.encoder.config, "hidden_size"))  # noqa: B009 - a torch Module
        head = torch.nn.Linear(width, 2 * self.num_classes + 1)
        with torch.no_grad():
            head.weight.zero_()
            head.bias.zero_()
        return head.to(self._factory.backbone.device)


def _least(
    starts: Sequence[int] | NDArray[np.int32], proba: NDArray[np.float32], span: Span
) -> float:
    first, last = np.searchsorted(starts, [span.start, span.end])
    return float(proba[first:last].min())
