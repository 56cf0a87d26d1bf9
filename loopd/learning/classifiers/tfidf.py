"""Owns the fast reference classifier, TF-IDF with logistic regression; must not touch torch.

Imports small-text at once, so the registry imports this module at the first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.errors import ModelError
from loopd.learning.arrays import Options, Proba, Tensors, Vectors, Weights
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.linear import LinearHead, fit_head, from_tensors
from loopd.learning.classifiers.thresholds import refuse_bad_folds, with_thresholds
from loopd.learning.dataset import IndexedDataset

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

WORD = r"(?u)\b\w+\b"
"""A word; unlike scikit-learn's default, single letters too."""


class TfidfFactory:
    """Makes TF-IDF classifiers whose vocabulary is that of the pool, computed once per process.

    Source: scikit-learn's ``TfidfVectorizer`` and ``LogisticRegression``.
    """

    OPTIONS: ClassVar[Options] = {
        "ngrams": 2,
        "min_df": 1,
        "max_features": 100_000,
        "c": 10.0,
        "balanced": False,
        "components": 100,
        "threshold_folds": 5,
    }
    """Longest n-gram, least number of texts with a term, most terms, inverse penalty, whether rare
    classes weigh more, the dimensions of an embedding (truncated SVD), and for several labels the
    folds of the cross-validation that gives the thresholds (0: one half)."""

    draws_nothing = True
    """Training draws nothing: the members of an ensemble must differ in something else."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        refuse_bad_folds(self.options["threshold_folds"])

    @cached_property
    def _vectorized(self) -> tuple[TfidfVectorizer, csr_matrix]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._context.interrupt()
        vectorizer = TfidfVectorizer(
            ngram_range=(1, self.options["ngrams"]),
            min_df=self.options["min_df"],
            max_features=self.options["max_features"],
            sublinear_tf=True,
            token_pattern=WORD,
            dtype=np.float32,
        )
        try:
            features = vectorizer.fit_transform(self._context.pool.texts)
        except (ValueError, TypeError) as error:
            raise ModelError(f"tfidf cannot read the pool: {error}", "see its options") from None
        return vectorizer, features

    @property
    def pool_features(self) -> csr_matrix:
        """Sparse (n, terms) float32 matrix of the pool."""
        return self._vectorized[1]

    @property
    def screening(self) -> None:
        """Nothing: the whole pool is scored in seconds."""
        return None

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> csr_matrix:
        """Sparse (n, terms) float32 matrix; computing it is cheaper than keeping it."""
        del fingerprint
        self._context.interrupt()
        return self._vectorized[0].transform(texts)

    @cached_property
    def projection(self) -> TruncatedSVD:
        """The truncated SVD of the pool that gives embeddings; fitted at the first use."""
        return truncated_svd(self.pool_features, self.options["components"])

    @cached_property
    def representation(self) -> TfidfRepresentation:
        """The truncated SVD."""
        return TfidfRepresentation(self)

    def new(self, seed: int) -> TfidfClassifier:
        """An untrained classifier; training draws nothing, so the seed is not needed."""
        del seed
        return TfidfClassifier(self, self._context.num_classes)

    def save(self, classifier: TfidfClassifier) -> Tensors:
        """The head; the vocabulary comes from the pool."""
        return classifier.head.tensors()

    def load(self, tensors: Tensors) -> TfidfClassifier:
        """The classifier with a saved head."""
        classifier = self.new(0)
        classifier.head = from_tensors(tensors, self._context.num_classes)
        if classifier.head.weight.shape[1] != self.pool_features.shape[1]:
            raise ValueError("the head belongs to another vocabulary")
        return classifier

    def describe(self) -> str:
        """Terms and texts of the pool; the name alone where that could not be read."""
        if not len(self._context.pool):
            return "tfidf"
        texts, terms = self.pool_features.shape
        return f"tfidf over {terms} terms of {texts} texts"


def truncated_svd(rows: csr_matrix, components: int) -> TruncatedSVD:
    """Scikit-learn's ``TruncatedSVD``, fitted to rows (n, terms), of as many components at most."""
    from sklearn.decomposition import TruncatedSVD

    with np.errstate(invalid="ignore"):  # shares of no variance, where all rows are equal; unused
        return TruncatedSVD(max(1, min(components, min(rows.shape) - 1)), random_state=0).fit(rows)


@dataclass(frozen=True)
class TfidfRepresentation:
    """The truncated SVD of TF-IDF rows as what strategies know of a text without any label.

    Attributes:
        factory: whose vocabulary and projection it is.
    """

    factory: TfidfFactory

    @cached_property
    def pool(self) -> Vectors:
        """Vectors of the pool (n, components), of length 1, zero for a text without a term."""
        return self._vectors(self.factory.pool_features)

    def of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of other texts (k, components), of length 1."""
        return self._vectors(self.factory.encode(texts))

    def _vectors(self, features: csr_matrix) -> Vectors:
        from sklearn.preprocessing import normalize

        reduced = self.factory.projection.transform(features)
        vectors: Vectors = normalize(reduced).astype(np.float32)
        return vectors


class TfidfClassifier(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """Logistic regression over TF-IDF rows, as a small-text classifier."""

    head: LinearHead

    def __init__(self, factory: TfidfFactory, num_classes: int, *, thresholds: bool = True) -> None:
        self._factory = factory
        self._folds = factory.options["threshold_folds"] if thresholds else 0
        self.num_classes = num_classes

    @property
    def thresholds(self) -> Proba | None:
        """Probabilities (C,) from which on a text has a label; ``None`` is one half."""
        return self.head.thresholds

    def fit(self, train_set: IndexedDataset, weights: Weights | None = None) -> TfidfClassifier:
        """Train on the rows; terms that no row holds get weight zero without being computed."""
        features = train_set.x
        terms = np.unique(features.indices)
        options = self._factory.options
        head = fit_head(
            features[:, terms],
            train_set.y,
            self.num_classes,
            c=options["c"],
            balanced=options["balanced"],
            weights=weights,
        )
        weight = np.zeros((head.weight.shape[0], features.shape[1]), dtype=np.float32)
        weight[:, terms] = head.weight
        self.head = with_thresholds(
            replace(head, weight=weight),
            train_set,
            self._bare,
            folds=self._folds,
            seed=0,
            weights=weights,
        )
        return self

    def _bare(self, seed: int) -> TfidfClassifier:
        del seed
        return TfidfClassifier(self._factory, self.num_classes, thresholds=False)

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), or a sparse (n, C) matrix for several labels; probabilities too."""
        proba = self.predict_proba(data_set)
        labels = self.head.decided(proba)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset) -> Proba:
        """Probabilities (n, C)."""
        return self.head.proba(data_set.x)

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """Truncated SVD of the rows (n, components), and probabilities if asked."""
        del pbar
        embedded = self._factory.projection.transform(data_set.x).astype(np.float32)
        return (embedded, self.predict_proba(data_set)) if return_proba else embedded
