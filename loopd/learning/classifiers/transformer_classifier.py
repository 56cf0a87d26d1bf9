"""Owns one fine-tuned transformer as a small-text classifier; must not know ids or strategies.

It chooses by one head and predicts by another, see ``heads``. Where it learns from its own guesses
(``self_training``), a second encoder does, which predicts in its place: the one that has learned
from guesses predicts better and chooses worse.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.learning.arrays import Positions, Proba, Tensors, Vectors, Weights
from loopd.learning.classifiers.contrastive import ClassifiedTexts, fine_tune
from loopd.learning.classifiers.fine_tuning import restored, saved, trained_weights
from loopd.learning.classifiers.heads import Heads
from loopd.learning.classifiers.known_vectors import (
    KnownVectors,
    Remembering,
    digests_of,
    most_texts,
)
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.classifiers.pooling import Batch
from loopd.learning.classifiers.self_training import GUESS_WEIGHT, LOOKED_AT, PASSES, surest
from loopd.learning.classifiers.spreading import Examples, Guesses, unlabelled
from loopd.learning.classifiers.thresholds import with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.tokens import Tokens, TokenStore
from loopd.learning.labels import several
from loopd.learning.unit_vectors import unit

if TYPE_CHECKING:
    from loopd.learning.classifiers.transformer import TransformerFactory

SELF_TRAINED = "self_trained."
"""Prefix of the second encoder's weights and heads in the saved form."""


class TransformerClassifier(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """A fine-tuned encoder with logistic heads, as a small-text classifier.

    Args:
        factory: the settings and the pretrained encoder.
        seed: of training.
        thresholds: whether to find thresholds for several labels.
        predicts: whether anybody will ask it to predict; if not, nothing is guessed for it.

    Attributes:
        self_trained: has learned from guesses too, and predicts in this one's place.
    """

    heads: Heads
    self_trained: TransformerClassifier | None = None

    def __init__(
        self,
        factory: TransformerFactory,
        seed: int,
        *,
        thresholds: bool = True,
        predicts: bool = True,
    ) -> None:
        self._factory = factory
        self._seed = seed
        self._predicts = predicts
        self._folds = factory.options["threshold_folds"] if thresholds else 0
        self.num_classes = factory.num_classes
        self.encoder = factory.trainable()
        self._rough, self._labelled = Remembering(), KnownVectors()
        self._shared = False
        """Whether models of several rounds are to have this encoder."""

    @property
    def head(self) -> LinearHead:
        """The head by which strategies see the model."""
        return self.heads.choosing

    def as_predictor(self) -> TransformerClassifier:
        """The second encoder, if there is one, and the other head; itself where nothing differs."""
        model = self.self_trained or self
        if not model.heads.differ:
            return model
        twin = copy.copy(model)
        twin.heads, twin.self_trained = model.heads.of_predictor(), None
        return twin

    def tensors(self) -> Tensors:
        """All that training made; what belongs to a second encoder is called likewise."""
        theirs = {} if self.self_trained is None else self.self_trained.tensors()
        second = {SELF_TRAINED + name: array for name, array in theirs.items()}
        return {**self.own_tensors(), **self._labelled.tensors(), **second}

    def own_tensors(self) -> Tensors:
        """The weights that training may change, and the heads: enough to embed and to choose."""
        return {**saved(trained_weights(self.encoder)), **self.heads.tensors()}

    def restore(self, tensors: Tensors) -> TransformerClassifier:
        """Take over what ``tensors`` wrote down.

        Raises:
            KeyError, ValueError: the arrays do not fit.
        """
        theirs = {
            name.removeprefix(SELF_TRAINED): array
            for name, array in tensors.items()
            if name.startswith(SELF_TRAINED)
        }
        own = {name: array for name, array in tensors.items() if not name.startswith(SELF_TRAINED)}
        restored(self.encoder, own)
        self.heads = Heads.from_tensors(own, self.num_classes)
        self._rough, self._labelled = Remembering(), KnownVectors.from_tensors(own)
        self._shared = len(self._labelled.digests) > 0
        self.self_trained = self._factory.new(self._seed).restore(theirs) if theirs else None
        return self

    @property
    def thresholds(self) -> NDArray[np.float32] | None:
        """Probabilities (C,) from which on a text has a label; ``None`` is one half."""
        return self.head.thresholds

    def fit(
        self, train_set: IndexedDataset, weights: NDArray[np.float32] | None = None
    ) -> TransformerClassifier:
        """Fine-tune the encoder, then fit the head; draws only from seeded generators.

        With several labels for each text, each fold of the thresholds fine-tunes another encoder.
        With self-training a second encoder is fine-tuned as well, and once more on guesses of its
        own.

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
        self.heads, self.self_trained = heads, None
        for _ in range(PASSES if self._predicts else 0):
            guesses = (self.self_trained or self)._guesses(train_set)  # of its own class
            if len(guesses.rows):
                self.self_trained = self._second(train_set, weights, guesses)
        return self

    def _second(
        self, train_set: IndexedDataset, weights: Weights | None, guesses: Guesses
    ) -> TransformerClassifier:
        """Another one, which begins with the pretrained weights and learns from guesses too."""
        other = self._factory.new(self._seed)
        other.heads = other._trained(train_set, weights, guesses)  # of its own class
        return other

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
        self._rough, self._labelled = Remembering(), KnownVectors()
        torch.manual_seed(self._seed)
        fine_tune(embedder, self._factory.recipe(), texts, self._seed)
        rows = train_set.rows
        vectors = embedder.embed(rows)
        self._shared = self._predicts and self._factory.growth.lends(len(rows))
        if self._shared:
            self._labelled = KnownVectors().and_of(digests_of(embedder.tokens[rows]), vectors)
        of_others = partial(self._roughly, embedder.embed, embedder.tokens)
        return self._heads_of(train_set, Examples(unit(vectors), y, weights), of_others)

    def _guesses(self, train_set: IndexedDataset) -> Guesses:
        """Labels of unlabelled texts of which the model is sure; with several labels none."""
        tokens, count = _tokens(train_set), self._factory.self_training.count(len(train_set))
        wanted = LOOKED_AT if count and not several(train_set.y) else 0
        rows = unlabelled(tokens.shape[0], train_set.taken, wanted)
        if not len(rows):
            return Guesses(rows, rows)
        embedder = self._factory.embedder(self.encoder, tokens, "embedding")
        vectors = unit(self._roughly(embedder.embed, tokens, rows))
        guesses = surest(self.heads.predicting.proba(vectors), count, self._seed)
        return Guesses(rows[guesses.rows], guesses.y)

    def with_own_head(self) -> TransformerClassifier:
        """Another with the same encoder and what it knows of texts, for ``refit``."""
        twin = copy.copy(self)
        if self.self_trained is not None:
            twin.self_trained = self.self_trained.with_own_head()
        return twin

    def refit(self, train_set: IndexedDataset, weights: Weights | None = None) -> None:
        """Fit the heads anew on the encoder as it is.

        Texts on which it was fine-tuned are not embedded again; all others are, together, so that
        the heads depend on the training set alone. The thresholds of several labels stay: they
        would cost fine-tuning.

        Raises:
            Interrupted: a stop was asked for.
        """
        rows, tokens = train_set.rows, _tokens(train_set)
        embedder = self._factory.embedder(self.encoder, tokens, "embedding")
        digests = digests_of(tokens[rows])
        vectors = self._labelled.of(digests, lambda new: embedder.embed(rows[new]))
        self._labelled = KnownVectors()  # it lends its encoder to nobody: the tuned model does
        examples = Examples(unit(vectors), train_set.y, weights)
        bf16 = self._in_bf16(self._factory.spreading.texts)
        of_others = partial(embedder.embed, bf16=bf16)  # whatever was asked before
        heads = self._heads_of(train_set, examples, of_others)
        if self.thresholds is not None:
            head = replace(heads.choosing, thresholds=self.thresholds)
            heads = Heads(head, head)
        self.heads = heads
        if self.self_trained is not None:
            self.self_trained.refit(train_set, weights)

    def _heads_of(
        self,
        train_set: IndexedDataset,
        examples: Examples,
        of_others: Callable[[Positions], Vectors],
    ) -> Heads:
        """The heads over vectors of the training set, and of others, which give vectors (m, d)."""
        spreading, total = self._factory.spreading, train_set.features.shape[0]

        def others() -> Vectors:
            return unit(of_others(unlabelled(total, train_set.taken, spreading.texts)))

        weight = spreading.weight(len(train_set)) if self._predicts else 0.0
        return Heads.fitted(examples, others, weight, self._head_of)

    def _head_of(self, examples: Examples) -> LinearHead:
        return fit_head(
            examples.vectors,
            examples.y,
            self.num_classes,
            c=self._factory.options["head_c"],
            weights=examples.weights,
        )

    def _bare(self, seed: int) -> TransformerClassifier:
        return TransformerClassifier(self._factory, seed, thresholds=False, predicts=False)

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
        """Rough probabilities (n, C), for which no text is embedded twice.

        ``None`` where that gains nothing: without bf16, for a model that knows no text yet and
        shares what it learns with none.
        """
        if not (self._factory.bf16 or self._shared or len(self._rough.known.digests)):
            return None
        return lambda data_set: self.head.proba(self._vectors(data_set, roughly=True))

    def _in_bf16(self, texts: int) -> bool:
        """Whether rough vectors of so many texts are.

        Those that are kept for many rounds are worth full precision: then hardly any text is so
        near to the best that it must be embedded again.
        """
        kept = self._shared and texts <= most_texts(self._factory.backbone.width)
        return self._factory.bf16 and not kept

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """Mean-pooled vectors (n, d) of length 1 without padding, and probabilities if asked."""
        del pbar
        vectors = self._vectors(data_set)
        return (vectors, self.head.proba(vectors)) if return_proba else vectors

    def _vectors(self, data_set: IndexedDataset, *, roughly: bool = False) -> Vectors:
        tokens = _tokens(data_set)
        embedder = self._factory.embedder(self.encoder, tokens, "scoring")

        def embed(rows: Positions, *, bf16: bool = False) -> Vectors:
            elsewhere = self._factory.elsewhere(self, len(rows))
            return replace(embedder, elsewhere=elsewhere).embed(rows, bf16=bf16)

        rows = data_set.rows
        return unit(self._roughly(embed, tokens, rows) if roughly else embed(rows))

    def _roughly(self, embed: Callable[..., Vectors], tokens: Tokens, rows: Positions) -> Vectors:
        """Vectors (k, d) of which none is made again; the last bits depend on what was."""
        bf16 = self._in_bf16(len(rows))
        return self._rough.of(digests_of(tokens[rows]), lambda new: embed(rows[new], bf16=bf16))

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
