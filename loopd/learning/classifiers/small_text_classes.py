"""Owns how small-text's own classifiers are given loopd's texts; must not change how they learn.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import small_text
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from small_text import SklearnClassifier, TransformerBasedClassification, TransformersDataset

from loopd.errors import ModelError
from loopd.learning.classifiers.backbone import explained
from loopd.learning.classifiers.contract import Surroundings
from loopd.learning.classifiers.source import locate
from loopd.learning.classifiers.tfidf import TfidfFactory, truncated_svd
from loopd.learning.dotted import resolve


class SmallTextSklearn:
    """Factory of small-text's ``SklearnClassifier`` over tf-idf weights of the pool's words.

    Args:
        surroundings: the pool, whose vocabulary it is, and the kind of problem.
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
        surroundings: Surroundings,
        num_classes: int,
        estimator: str = "sklearn.linear_model:LogisticRegression",
        estimator_options: Mapping[str, Any] | None = None,
        vectorizer_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._around = surroundings
        self._num_classes = num_classes
        self._estimator = resolve(estimator, surroundings.code_paths)
        self._options = dict(estimator_options or {})
        self._vectorizer_options = dict(vectorizer_options or {})
        self._refuse_what_cannot_learn(estimator)

    @property
    def draws_nothing(self) -> bool:
        """Whether members of an ensemble differ by sample weights; upstream takes no seed."""
        return not self._around.multi_label

    def _refuse_what_cannot_learn(self, name: str) -> None:
        from sklearn.utils.validation import has_fit_parameter

        model = self._estimator(**self._options)
        if not hasattr(model, "predict_proba"):
            raise ModelError(
                f"options.estimator: {name} has no probabilities",
                "wrap it in scikit-learn's CalibratedClassifierCV, or take another",
            )
        if not self._around.multi_label and not has_fit_parameter(model, "sample_weight"):
            raise ModelError(
                f"options.estimator: {name} takes no sample weights, which small-text passes to it",
                "take another",
            )

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(**self._vectorizer_options).fit(self._around.pool.texts)

    @cached_property
    def _projection(self) -> Any:
        weights = self.encode(self._around.pool.texts)
        return truncated_svd(weights, TfidfFactory.OPTIONS["components"])

    def encode(self, texts: Sequence[str]) -> Any:
        """Sparse tf-idf weights (n, words)."""
        return self._vectorizer.transform(texts)

    def represent(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The truncated SVD (n, components) of these."""
        return self._embedded(self.encode(texts))

    def _embedded(self, weights: Any) -> NDArray[np.float32]:
        return np.asarray(self._projection.transform(weights), dtype=np.float32)

    def new(self) -> Any:
        """A fresh classifier."""
        model = self._estimator(**self._options)
        several = self._around.multi_label
        return AllColumns(self._embedded, model, self._num_classes, multi_label=several)


class AllColumns(SklearnClassifier):  # type: ignore[misc] # small-text is not typed
    """The same with a column for each class: one without an example has probability 0.

    Args:
        embedded: makes embeddings (n, d) of tf-idf weights.
        arguments, options: of ``SklearnClassifier``.
    """

    def __init__(self, embedded: Callable[[Any], Any], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._embedded = embedded

    def embed(self, data_set: Any, return_proba: bool = False, pbar: Any = None) -> Any:
        """Truncated SVD of the rows (n, d), which no label changes; probabilities if asked."""
        del pbar
        found = self._embedded(data_set.x)
        return (found, self.predict_proba(data_set)) if return_proba else found

    def predict_proba(self, data_set: Any) -> NDArray[np.float32]:
        """Probabilities (n, C)."""
        found = np.asarray(super().predict_proba(data_set), dtype=np.float32)
        if self.multi_label or found.shape[1] == self.num_classes:
            return found
        proba = np.zeros((len(found), self.num_classes), dtype=np.float32)
        proba[:, np.asarray(self.model.classes_, dtype=np.int64)] = found
        return proba

    def predict(self, data_set: Any, return_proba: bool = False) -> Any:
        """Class numbers (n,), or a sparse (n, C) matrix; probabilities (n, C) too."""
        return _decided(self.predict_proba(data_set), self.multi_label, return_proba)


class SmallTextTransformer:
    """Factory of small-text's ``TransformerBasedClassification`` with ``classifier.model``.

    Args:
        surroundings: the settings, the folder of its cache and the kind of problem.
        num_classes: C.
        options: keyword arguments of ``TransformerBasedClassification``.
    """

    def __init__(self, surroundings: Surroundings, num_classes: int, **options: Any) -> None:
        self._around = surroundings
        section = surroundings.section
        device = {} if section.device == "auto" else {"device": section.device}
        self._model = small_text.TransformerModelArguments(locate(section.model))
        self._num_classes = num_classes
        self._options = {
            "multi_label": surroundings.multi_label,
            "cache_dir": None,  # that of Hugging Face, which the tokenizer is read from, too
            **device,
            **options,
        }
        self.new()  # refuses options that it does not have

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._model.tokenizer, trust_remote_code=False)

    def new(self) -> Any:
        """A fresh classifier."""
        return OnTexts(self._tokenized, self._model, self._num_classes, **self._options)

    def check(self) -> None:
        """Read what says whether the encoder is there; its weights are read when it is trained.

        Raises:
            ModelError: it is not, or it is none that classifies texts.
        """
        from transformers import AutoConfig

        with explained(self._around.section.model):
            AutoConfig.from_pretrained(self._model.model, trust_remote_code=False)
            _ = self._tokenizer

    def _tokenized(self, dataset: Any) -> TransformersDataset:
        """Texts, padded to the longest of them, as small-text's own data set."""
        encoded = self._tokenizer(
            list(dataset.x),
            padding=True,
            truncation=True,
            max_length=self._around.section.max_tokens,
            return_tensors="pt",
        )
        masks = encoded["attention_mask"]
        rows = zip(encoded["input_ids"], masks, self._labels(dataset), strict=True)
        return TransformersDataset(
            [(ids[None], mask[None], label) for ids, mask, label in rows],
            multi_label=self._around.multi_label,
            target_labels=np.arange(self._num_classes),
        )

    def _labels(self, dataset: Any) -> Any:
        """A class number of each text, or a list of them where there may be several."""
        if not self._around.multi_label:
            return dataset.y
        if dataset.is_multi_label:
            return [row.indices.tolist() for row in dataset.y]
        return [[]] * len(dataset)  # not labelled yet


class OnTexts(TransformerBasedClassification):  # type: ignore[misc] # small-text is not typed
    """The same on data sets that hold texts.

    Args:
        tokenized: makes small-text's own data set of them.
        arguments, options: of ``TransformerBasedClassification``.
    """

    def __init__(self, tokenized: Callable[[Any], Any], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tokenized = tokenized

    def fit(self, train_set: Any, weights: Any = None, **options: Any) -> Any:
        """Train; a part of the texts is set aside for its validation, as upstream does."""
        return super().fit(self._tokenized(train_set), weights=weights, **options)

    def predict_proba(self, dataset: Any, dropout_sampling: int = 1) -> Any:
        """Probabilities (n, C); with dropout samples (n, samples, C)."""
        return super().predict_proba(self._tokenized(dataset), dropout_sampling=dropout_sampling)

    def predict(self, dataset: Any, return_proba: bool = False) -> Any:
        """Class numbers (n,), or a sparse (n, C) matrix; probabilities (n, C) too."""
        return _decided(self.predict_proba(dataset), self.multi_label, return_proba)

    def _compute_loss(self, cls: Any, outputs: Any) -> Any:
        """As upstream, which takes two labels for one of two classes though both may be given."""
        if not self.multi_label:
            return super()._compute_loss(cls, outputs)
        return outputs.logits, self.criterion(outputs.logits, cls)

    def embed(self, data_set: Any, return_proba: bool = False, **options: Any) -> Any:
        """Embeddings (n, d), and probabilities (n, C) if asked; never with a progress bar."""
        options["pbar"] = None
        return super().embed(self._tokenized(data_set), return_proba=return_proba, **options)


def _decided(proba: NDArray[np.float32], multi_label: bool, return_proba: bool) -> Any:
    """As upstream, but probabilities are dense with several labels, too."""
    labels = csr_matrix(proba > 0.5, dtype=np.int64) if multi_label else proba.argmax(axis=1)
    return (labels, proba) if return_proba else labels


ADAPTED: Mapping[Any, Any] = {
    small_text.SklearnClassifier: SmallTextSklearn,
    small_text.SklearnClassifierFactory: SmallTextSklearn,
    small_text.TransformerBasedClassification: SmallTextTransformer,
    small_text.TransformerBasedClassificationFactory: SmallTextTransformer,
}


def adapted(target: Any, surroundings: Surroundings) -> Callable[..., Any]:
    """What is called with ``num_classes`` and the options instead of a class of small-text's.

    Raises:
        ModelError: a class of small-text's that takes no texts as they are.
    """
    own = ADAPTED.get(target)
    if own is None:
        names = ", ".join(sorted({each.__name__ for each in ADAPTED}))
        raise ModelError(
            f"loopd cannot give texts to small-text's {getattr(target, '__name__', target)}",
            f"known: {names}; `setfit` is built in; wrap others in a factory of your own",
        )
    return lambda **options: own(surroundings, **options)
