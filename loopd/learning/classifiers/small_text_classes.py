"""Owns how small-text's own classifiers are given loopd's texts; must not change how they learn.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import small_text
from scipy.sparse import csr_matrix
from small_text import SklearnClassifier, TransformerBasedClassification, TransformersDataset

from loopd.errors import ModelError
from loopd.learning.arrays import Options, Proba, Vectors, Weights
from loopd.learning.classifiers.backbone import explained
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.source import locate
from loopd.learning.classifiers.tfidf import TfidfFactory, truncated_svd
from loopd.learning.dataset import IndexedDataset
from loopd.learning.dotted import resolve
from loopd.learning.labels import several

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from transformers import PreTrainedTokenizerBase


class SmallTextSklearn:
    """Factory of small-text's ``SklearnClassifier`` over tf-idf weights of the pool's words.

    Args:
        context: the pool, whose vocabulary it is, and the kind of problem.
        num_classes: C.
        estimator: dotted path of a scikit-learn classifier that has probabilities and, with one
            label for each text, sample weights: upstream always passes them.
        estimator_options: its keyword arguments.
        vectorizer_options: keyword arguments of scikit-learn's ``TfidfVectorizer``.

    Raises:
        ModelError: the estimator has not what is needed.
    """

    def __init__(
        self,
        context: ClassifierContext,
        num_classes: int,
        estimator: str = "sklearn.linear_model:LogisticRegression",
        estimator_options: Options | None = None,
        vectorizer_options: Options | None = None,
    ) -> None:
        self._context = context
        self._num_classes = num_classes
        self._estimator = cast("type[ClassifierMixin]", resolve(estimator, context.code_paths))
        self._options = dict(estimator_options or {})
        self._vectorizer_options = dict(vectorizer_options or {})
        self._refuse_what_cannot_learn(estimator)

    @property
    def draws_nothing(self) -> bool:
        """Whether members of an ensemble differ by sample weights; upstream takes no seed."""
        return not self._context.multi_label

    def _refuse_what_cannot_learn(self, name: str) -> None:
        from sklearn.utils.validation import has_fit_parameter

        model = self._estimator(**self._options)
        try:
            _ = model.predict_proba
        except AttributeError:
            raise ModelError(
                f"options.estimator: {name} has no probabilities",
                "wrap it in scikit-learn's CalibratedClassifierCV, or take another",
            ) from None
        if not self._context.multi_label and not has_fit_parameter(model, "sample_weight"):
            raise ModelError(
                f"options.estimator: {name} takes no sample weights, which small-text passes to it",
                "take another",
            )

    @cached_property
    def _vectorizer(self) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(**self._vectorizer_options).fit(self._context.pool.texts)

    @cached_property
    def _projection(self) -> TruncatedSVD:
        weights = self.encode(self._context.pool.texts)
        return truncated_svd(weights, TfidfFactory.OPTIONS["components"])

    def encode(self, texts: Sequence[str]) -> csr_matrix:
        """Sparse tf-idf weights (n, words)."""
        return self._vectorizer.transform(texts)

    def represent(self, texts: Sequence[str]) -> Vectors:
        """The truncated SVD (n, components) of these."""
        return self._embedded(self.encode(texts))

    def _embedded(self, weights: csr_matrix) -> Vectors:
        return np.asarray(self._projection.transform(weights), dtype=np.float32)

    def new(self) -> AllColumns:
        """A fresh classifier."""
        model = self._estimator(**self._options)
        several = self._context.multi_label
        return AllColumns(self._embedded, model, self._num_classes, multi_label=several)


class AllColumns(SklearnClassifier):  # type: ignore[misc] # small-text is not typed
    """The same with a column for each class: one without an example has probability 0.

    Args:
        embedded: makes embeddings (n, d) of tf-idf weights.
        arguments, options: of ``SklearnClassifier``.
    """

    def __init__(
        self, embedded: Callable[[csr_matrix], Vectors], *arguments: object, **options: object
    ) -> None:
        super().__init__(*arguments, **options)
        self._embedded = embedded

    def embed(  # one result or two, as in small-text
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:
        """Truncated SVD of the rows (n, d), which no label changes; probabilities if asked."""
        del pbar
        embedded = self._embedded(data_set.x)
        return (embedded, self.predict_proba(data_set)) if return_proba else embedded

    def predict_proba(self, data_set: IndexedDataset) -> Proba:
        """Probabilities (n, C)."""
        of_seen = np.asarray(super().predict_proba(data_set), dtype=np.float32)
        if self.multi_label or of_seen.shape[1] == self.num_classes:
            return of_seen
        proba = np.zeros((len(of_seen), self.num_classes), dtype=np.float32)
        proba[:, np.asarray(self.model.classes_, dtype=np.int64)] = of_seen
        return proba

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), or a sparse (n, C) matrix; probabilities (n, C) too."""
        return _decided(self.predict_proba(data_set), self.multi_label, return_proba)


class SmallTextTransformer:
    """Factory of small-text's ``TransformerBasedClassification`` with ``classifier.model``.

    Args:
        context: the settings, the folder of its cache and the kind of problem.
        num_classes: C.
        options: keyword arguments of ``TransformerBasedClassification``.
    """

    def __init__(self, context: ClassifierContext, num_classes: int, **options: object) -> None:
        self._context = context
        section = context.section
        device = {} if section.device == "auto" else {"device": section.device}
        self._model = small_text.TransformerModelArguments(locate(section.model))
        self._num_classes = num_classes
        self._options: dict[str, object] = {
            "multi_label": context.multi_label,
            "cache_dir": None,  # that of Hugging Face, which the tokenizer is read from, too
            **device,
            **options,
        }
        self.new()  # refuses options that it does not have

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            self._model.tokenizer, trust_remote_code=False
        )
        return tokenizer

    def new(self) -> OnTexts:
        """A fresh classifier."""
        return OnTexts(self._tokenized, self._model, self._num_classes, **self._options)

    def check(self) -> None:
        """Read what says whether the encoder is there; its weights are read when it is trained.

        Raises:
            ModelError: it is not, or it is none that classifies texts.
        """
        from transformers import AutoConfig

        with explained(self._context.section.model):
            AutoConfig.from_pretrained(self._model.model, trust_remote_code=False)
            _ = self._tokenizer

    def _tokenized(self, dataset: IndexedDataset) -> TransformersDataset:
        """Texts, padded to the longest of them, as small-text's own data set."""
        encoded = self._tokenizer(
            list(dataset.x),
            padding=True,
            truncation=True,
            max_length=self._context.section.max_tokens,
            return_tensors="pt",
        )
        masks = encoded["attention_mask"]
        rows = zip(encoded["input_ids"], masks, self._labels(dataset), strict=True)
        return TransformersDataset(
            [(ids[None], mask[None], label) for ids, mask, label in rows],
            multi_label=self._context.multi_label,
            target_labels=np.arange(self._num_classes),
        )

    def _labels(self, dataset: IndexedDataset) -> Sequence[int | list[int]]:
        """A class number of each text, or a list of them where there may be several."""
        y = dataset.y
        if not self._context.multi_label:
            return list(np.asarray(y))
        if several(y):
            return [np.flatnonzero(row).tolist() for row in y.toarray()]
        return [[]] * len(dataset)  # not labelled yet


class OnTexts(TransformerBasedClassification):  # type: ignore[misc] # small-text is not typed
    """The same on data sets that hold texts.

    Args:
        tokenized: makes small-text's own data set of them.
        arguments, options: of ``TransformerBasedClassification``.
    """

    def __init__(
        self,
        tokenized: Callable[[IndexedDataset], TransformersDataset],
        *arguments: object,
        **options: object,
    ) -> None:
        super().__init__(*arguments, **options)
        self._tokenized = tokenized

    def fit(
        self, train_set: IndexedDataset, weights: Weights | None = None, **options: object
    ) -> OnTexts:
        """Train; a part of the texts is set aside for its validation, as upstream does."""
        super().fit(self._tokenized(train_set), weights=weights, **options)
        return self

    def predict_proba(self, data_set: IndexedDataset, dropout_sampling: int = 1) -> Proba:
        """Probabilities (n, C); with dropout samples (n, samples, C)."""
        proba: Proba = super().predict_proba(
            self._tokenized(data_set), dropout_sampling=dropout_sampling
        )
        return proba

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), or a sparse (n, C) matrix; probabilities (n, C) too."""
        return _decided(self.predict_proba(data_set), self.multi_label, return_proba)

    def _compute_loss(self, cls: Any, outputs: Any) -> Any:  # upstream's own, of its own types
        """As upstream, which takes two labels for one of two classes though both may be given."""
        if not self.multi_label:
            return super()._compute_loss(cls, outputs)
        return outputs.logits, self.criterion(outputs.logits, cls)

    def embed(  # one result or two, as in small-text
        self, data_set: IndexedDataset, return_proba: bool = False, **options: object
    ) -> Any:
        """Embeddings (n, d), and probabilities (n, C) if asked; never with a progress bar."""
        options["pbar"] = None
        return super().embed(self._tokenized(data_set), return_proba=return_proba, **options)


def _decided(proba: Proba, multi_label: bool, return_proba: bool) -> object:
    """As upstream, but probabilities are dense with several labels, too."""
    labels = csr_matrix(proba > 0.5, dtype=np.int64) if multi_label else proba.argmax(axis=1)
    return (labels, proba) if return_proba else labels


ADAPTED: Mapping[object, Callable[..., object]] = {
    small_text.SklearnClassifier: SmallTextSklearn,
    small_text.SklearnClassifierFactory: SmallTextSklearn,
    small_text.TransformerBasedClassification: SmallTextTransformer,
    small_text.TransformerBasedClassificationFactory: SmallTextTransformer,
}


def adapted(target: object, context: ClassifierContext) -> Callable[..., object]:
    """What is called with ``num_classes`` and the options instead of a class of small-text's.

    Raises:
        ModelError: a class of small-text's that takes no texts as they are.
    """
    own = ADAPTED.get(target)
    if own is None:
        names = ", ".join(sorted({_named(of_theirs) for of_theirs in ADAPTED}))
        raise ModelError(
            f"loopd cannot give texts to small-text's {_named(target)}",
            f"known: {names}; `setfit` is built in; wrap others in a factory of your own",
        )
    return lambda **options: own(context, **options)


def _named(target: object) -> str:
    return target.__name__ if isinstance(target, type) else str(target)
