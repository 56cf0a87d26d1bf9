"""Owns a model, trained or still missing, and how strategies ask it; must not train or choose.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Proba, Score, Scores
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.learning.foreign import calling
from loopd.learning.frozen_classifier import FrozenClassifier, exact_best
from loopd.learning.preselect import Ask, Preselection
from loopd.learning.protocols import (
    Classifier,
    Embeds,
    Features,
    FindsBest,
    HasThresholds,
    Screens,
)
from loopd.learning.representation import Background

Predict: TypeAlias = Callable[[IndexedDataset], Proba]
"""Probabilities (n, C) of the rows of a data set."""


def _everything(ask: Ask) -> None:
    """No preselection."""
    del ask


@dataclass(frozen=True)
class PoolScores:
    """Probabilities of pool records, computed when they are asked for and then kept.

    A model's last bits depend on which texts share a batch. A daemon that was killed between two
    questions must get the same answers as one that was not: what is computed depends on the
    question alone, never on what was asked before. The last bits of rough probabilities do depend
    on it: they only say which texts are looked at exactly.

    Attributes:
        classifier: the trained classifier.
        features: of the pool.
        num_classes: C.
        preselect: narrows a pool that is too big for the classifier, which it may ask; called at
            most once.
        multi_label: whether a text may have several labels, with independent probabilities.
    """

    classifier: Classifier
    features: Features
    num_classes: int
    preselect: Callable[[Ask], Preselection | None] = _everything
    multi_label: bool = False
    _kept: dict[bytes, Proba] = field(default_factory=dict, repr=False)

    @cached_property
    def preselection(self) -> Preselection | None:
        """The candidates; ``None`` where the classifier can look at the whole pool."""
        predict = self._rough or self.classifier.predict_proba
        return self.preselect(lambda rows: self._predicted(rows, predict, b"rough"))

    @property
    def thresholds(self) -> Proba:
        """Probabilities (C,) from which on a text of several labels has a label."""
        classifier = self.classifier
        own = classifier.thresholds if isinstance(classifier, HasThresholds) else None
        if own is None:
            return np.full(self.num_classes, 0.5, dtype=np.float32)
        return np.asarray(own, dtype=np.float32)

    @property
    def all(self) -> NDArray[np.float32]:
        """Probabilities (pool, C)."""
        return self.of(np.arange(self.features.shape[0]))

    def of(self, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (k, C) at pool positions (k,), in full precision.

        Where more rows are asked for than there are candidates, only candidates are shown to the
        classifier; the others have the probabilities of the student that chose these.
        """
        candidates = self.preselection
        if candidates is None or len(rows) <= len(candidates.positions):
            return self.own(rows)
        proba, inside = candidates.proba[rows], candidates.among(rows)
        proba[inside] = self.own(rows[inside])
        return proba

    def own(self, rows: Positions) -> NDArray[np.float32]:
        """Probabilities (k, C) at pool positions (k,), all of them the classifier's own."""
        return self._predicted(rows, self.classifier.predict_proba, b"exact")

    def screen(self, rows: Positions) -> Proba | None:
        """Probabilities (k, C), fast and rough; ``None`` where nothing is faster than ``of``."""
        predict, candidates = self._rough, self.preselection
        if predict is None or (candidates is not None and len(rows) > len(candidates.positions)):
            return None
        return self._predicted(rows, predict, b"rough")

    def best(self, score: Score, among: Positions, n: int) -> tuple[Positions, Scores] | None:
        """The best ``n`` of rows (k,) and their scores; ``None`` where all must be scored here."""
        if not isinstance(self.classifier, FindsBest) or self.preselection is not None:
            return None
        return self.classifier.best_elsewhere(
            score, unlabeled(self.features, self.num_classes)[among], n
        )

    def decisions(self, rows: Positions) -> Proba:
        """The model's own probabilities (k, C), or for several labels (k * C, 2) of no and yes."""
        proba = self.own(rows)
        if not self.multi_label:
            return proba
        flat = np.asarray(proba, dtype=np.float32).reshape(-1)
        return np.stack([1 - flat, flat], axis=1)

    def fitted(self, background: Background) -> FittedClassifier:
        """The model as strategies see it."""
        return FittedClassifier(self, background)

    @property
    def _rough(self) -> Predict | None:
        return self.classifier.screen_proba if isinstance(self.classifier, Screens) else None

    def _predicted(self, rows: Positions, predict: Predict, kind: bytes) -> Proba:
        key = kind + hashlib.sha256(np.ascontiguousarray(rows).data).digest()
        if key not in self._kept:
            dataset = unlabeled(self.features, self.num_classes)
            everything = np.array_equal(rows, dataset.rows)
            part = dataset if everything else dataset[rows]
            self._kept[key] = checked_proba(predict, part, self.num_classes)
        return self._kept[key]


def checked_proba(predict: Predict, dataset: IndexedDataset, num_classes: int) -> Proba:
    """What a classifier's ``predict_proba`` gives, (n, C) float32.

    Raises:
        ModelError: it gives another number of columns, as classifiers do that drop unseen classes,
            or something that is not a number.
    """
    if not len(dataset):
        return np.empty((0, num_classes), dtype=np.float32)
    with calling("predicting with the classifier"):
        proba = np.asarray(predict(dataset), dtype=np.float32)
    if proba.shape != (len(dataset), num_classes):
        raise ModelError(
            f"the classifier gave probabilities of shape {proba.shape}, "
            f"not ({len(dataset)}, {num_classes})",
            "a classifier must have one column for each label, seen in training or not",
        )
    if not np.isfinite(proba).all():
        raise ModelError(
            "the classifier gave probabilities that are not numbers",
            "its training diverged: lower its learning rate",
        )
    return proba


class FittedClassifier(FrozenClassifier):
    """A trained classifier as small-text's learner sees it: nothing is trained or scored twice.

    Args:
        scores: the trained classifier.
        background: what strategies may know without it.
    """

    def __init__(self, scores: PoolScores, background: Background | None = None) -> None:
        super().__init__(scores.num_classes, background)
        self._scores = scores

    @property
    def thresholds(self) -> Proba:
        """Probabilities (C,) from which on a text of several labels has a label."""
        return self._scores.thresholds

    def outside(self, taken: Positions, size: int) -> Positions:
        """Pool positions that are no candidates, if enough candidates are left to choose from.

        Strategies are not shown these: they are neither open to them nor known to people.
        """
        candidates = self._scores.preselection
        if candidates is None or len(np.setdiff1d(candidates.positions, taken)) < size:
            return super().outside(taken, size)
        return np.setdiff1d(candidates.others(), taken)

    def most_informative(self, score: Score, among: Positions, n: int) -> tuple[Positions, Scores]:
        """The exact best ``n`` of some pool positions, with their scores.

        Args:
            score: of probabilities (m, C), row by row and vectorised, higher is better.
            among: pool positions (k,).
            n: how many, at most k.

        Returns:
            Positions (n,) best first, ties in the order of the pool, and their scores (n,).
        """
        found = self._scores.best(score, among, n)
        if found is not None:
            return found
        rough = self._scores.screen(among)
        return exact_best(
            among,
            n,
            None if rough is None else score(rough),
            lambda rows: score(self._scores.of(rows)),
        )

    def predict(  # small-text: one array or two
        self, data_set: IndexedDataset, return_proba: bool = False
    ) -> Any:
        """Class numbers (n,), or a sparse (n, C) matrix for several labels; probabilities too."""
        proba = self.predict_proba(data_set)
        if self._scores.multi_label:
            labels = csr_matrix(proba >= self.thresholds, dtype=np.int64)
        else:
            labels = proba.argmax(axis=1)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset, dropout_sampling: int = 1) -> Proba:
        """Probabilities (n, C); with dropout samples (n, samples, C).

        Raises:
            ModelError: the classifier has no dropout.
        """
        if dropout_sampling == 1:
            return self._scores.of(data_set.rows)
        predict: Callable[..., Proba] = self._scores.classifier.predict_proba
        if "dropout_sampling" not in inspect.signature(predict).parameters:
            raise ModelError(
                "the strategy needs dropout, which the classifier has not",
                "use `transformer`, or another strategy",
            )
        return predict(data_set, dropout_sampling=dropout_sampling)

    def embed(
        self,
        data_set: IndexedDataset,
        return_proba: bool = False,
        pbar: str | None = None,
        **options: Any,  # small-text's
    ) -> Any:  # one array or two, as in small-text
        """Embeddings (n, d), and probabilities (n, C) if asked; never with a progress bar.

        Raises:
            ModelError: the classifier has no embeddings.
        """
        del pbar
        classifier = self._scores.classifier
        if not isinstance(classifier, Embeds):
            raise ModelError(
                "the strategy needs embeddings, which the classifier has not",
                "use `transformer` or `tfidf`, or another strategy",
            )
        embedded = classifier.embed(data_set, **options)
        return (embedded, self.predict_proba(data_set)) if return_proba else embedded


class ColdClassifier(FrozenClassifier):
    """What strategies see before there is a model: only what needs no label."""

    cold = True

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> NoReturn:
        """Never.

        Raises:
            ModelError: there is no model yet.
        """
        del data_set, return_proba
        raise _no_model()

    def predict_proba(self, data_set: IndexedDataset, **options: object) -> NoReturn:
        """Never; raises as ``predict``."""
        del data_set, options
        raise _no_model()

    def embed(self, data_set: IndexedDataset, **options: object) -> NoReturn:
        """Never; raises as ``predict``."""
        del data_set, options
        raise _no_model()


def _no_model() -> ModelError:
    return ModelError(
        "the strategy asks the model, but there is none before the first labels",
        "name as strategy.cold_start a strategy that needs no model, such as `facility_location`",
    )
