"""Owns the fine-tuned tagger as a small-text classifier; must not know ids or strategies.

The recipe: an encoder and a linear head over each atom's first token, fine-tuned together with
cross entropy, the head with a rate of its own. It needs no validation split, which 20 texts could
not spare, and works where no text has a span.

Imports torch and small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.learning.arrays import Positions, Proba, TokenProba
from loopd.learning.classifiers.fine_tuning import trainable_encoder
from loopd.learning.dataset import IndexedDataset
from loopd.learning.protocols import ScoredSpans
from loopd.learning.spans.alignment import atoms, checked, refined, spans_of, tagged, trimmed
from loopd.learning.spans.fitted import no_class
from loopd.learning.spans.tokens import SpanTokens
from loopd.learning.spans.training import TaggedTexts, fine_tune
from loopd.learning.spans.viterbi import best_paths
from loopd.learning.unit_vectors import unit
from loopd.records import Span

if TYPE_CHECKING:
    from loopd.learning.spans.factory import SpanTaggerFactory


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
        self.encoder = trainable_encoder(
            factory.backbone, freeze_embeddings=factory.options["freeze_embeddings"]
        )
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
        stored = _tokens(train_set).texts
        texts = [stored[row] for row in train_set.rows]
        spans = [
            trimmed(text, checked(text, some, factory.labels))
            for text, some in zip(texts, np.asarray(train_set.y), strict=True)
        ]
        store = factory.split(
            texts, [refined(atoms(text), some) for text, some in zip(texts, spans, strict=True)]
        )
        tagged_texts = TaggedTexts(
            [tagged(store.borders(row), some, factory.labels) for row, some in enumerate(spans)],
            np.ones(len(texts), dtype=np.float32) if weights is None else weights,
            lambda done, total: factory.tick("training", done, total),
        )
        torch.manual_seed(self._seed)
        states = factory.states(self.encoder, store, "training")
        fine_tune(states, self.head, factory.recipe(), tagged_texts, self._seed)
        return self

    def predict(
        self, data_set: IndexedDataset, return_proba: bool = False
    ) -> list[tuple[Span, ...]]:
        """The spans of each text's likeliest legal tags.

        Raises:
            ModelError: class probabilities are asked for too.
        """
        if return_proba:
            raise no_class()
        return [spans for spans, _ in self.predict_scored(data_set)]

    def predict_proba(self, data_set: IndexedDataset, **options: object) -> NoReturn:
        """Never: part of small-text's interface.

        Raises:
            ModelError: a text with spans has no one class.
        """
        del data_set, options
        raise no_class()

    def predict_scored(self, data_set: IndexedDataset) -> list[ScoredSpans]:
        """Spans with their probabilities: the least one of a span's tags.

        Tags of one span rise and fall together, so that their product would be far too low.
        """
        proba, offsets = self.token_proba(data_set)
        tags, _ = best_paths(proba, offsets)
        of_tags, texts = proba[np.arange(len(tags)), tags], _tokens(data_set)
        return [
            self._spans(texts, int(row), tags[start:end], of_tags[start:end])
            for row, start, end in zip(data_set.rows, offsets, offsets[1:], strict=False)
        ]

    def token_proba(self, data_set: IndexedDataset) -> TokenProba:
        """Probabilities of the tags of all atoms."""
        return self.scored(_tokens(data_set), data_set.rows)

    @property
    def screen_proba(self) -> Callable[[IndexedDataset], TokenProba] | None:
        """Rough probabilities in bf16, ``None`` where the device does not gain from it."""
        if not self._factory.bf16:
            return None
        return lambda data_set: self.scored(_tokens(data_set), data_set.rows, bf16=True)

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """Mean-pooled vectors (n, d) of length 1 without padding, and token probabilities if asked.

        Vectors of all tokens, as ``classifiers.pooling`` makes them.
        """
        del pbar
        embedder = self._factory.states(self.encoder, _tokens(data_set), "scoring").embedder
        vectors = unit(embedder.embed(data_set.rows))
        return (vectors, self.token_proba(data_set)) if return_proba else vectors

    def scored(self, texts: SpanTokens, rows: Positions, *, bf16: bool = False) -> TokenProba:
        """Probabilities of the tags of some rows."""
        states = self._factory.states(self.encoder, texts, "scoring")
        return states.scored(rows, self.head.weight, self.head.bias, bf16=bf16)

    def _spans(
        self,
        texts: SpanTokens,
        row: int,
        tags: Positions,
        proba: Proba,
    ) -> ScoredSpans:
        borders = texts.borders(row)
        spans = spans_of(borders, tags, self._factory.labels)
        return spans, tuple(_least(borders[:, 0], proba, span) for span in spans)

    def _empty_head(self) -> torch.nn.Linear:
        """All tags equally likely: nothing is drawn, and the order of labels does not matter."""
        backbone = self._factory.backbone
        head = torch.nn.Linear(backbone.width, 2 * self.num_classes + 1)
        with torch.no_grad():
            head.weight.zero_()
            head.bias.zero_()
        return head.to(backbone.device)


def _least(
    starts: Sequence[int] | NDArray[np.int32], proba: NDArray[np.float32], span: Span
) -> float:
    first, last = np.searchsorted(starts, [span.start, span.end])
    return float(proba[first:last].min())


def _tokens(data_set: IndexedDataset) -> SpanTokens:
    return cast("SpanTokens", data_set.features)  # as the factory's ``encode`` made them
