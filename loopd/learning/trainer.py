"""Owns how models are trained, cached and taken from the cache; positions only, no ids.

Must not choose texts. What it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from loopd.learning import seeding
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.classifiers.contract import (
    ClassifierContext,
    ClassifierFactory,
    draws_nothing,
)
from loopd.learning.model_store import ModelStore

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.labels import Labels
from loopd.learning.arrays import Positions, Proba, Weights
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import Classifier, Features, ModelScores
from loopd.records import Target
from loopd.storage.run_folder import FOLDS_FOLDER, MODELS_FOLDER

APART = 1_000_000
"""Between the rounds that seed the members of an ensemble."""

MODELS_IN_MEMORY = 2
"""The model of this round, and of the last while its batch is still out."""


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        id: digest of everything it depends on.
        round: the round it was trained in.
        scores: its small-text classifier with the pool's probabilities; private to ``learning``.
    """

    id: str
    round: int
    scores: ModelScores = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a model is trained on.

    Attributes:
        id: digest of everything the model depends on.
        round: number of the batch whose answers came last.
        positions: (k,) labelled rows of the pool, ascending.
        y: their targets as the problem encodes them.
        member: which model of an ensemble is trained, from 0. The first is as if it were alone;
            the others have other seeds, or other weights of the texts where training draws nothing.
    """

    id: str
    round: int
    positions: Positions
    y: Labels
    member: int = 0

    @property
    def step(self) -> int:
        """The round that seeds training: another one for each member."""
        return self.round + APART * self.member


class Trainer:
    """Trains one kind of classifier on rows of the pool.

    Args:
        context: what classifiers are built from.
        problem: the kind of problem.
        seed: seed of the run.
    """

    def __init__(self, context: ClassifierContext, problem: Problem, seed: int) -> None:
        self._context = context
        self._problem = problem
        self._seed = seed
        self._store = ModelStore(context.cache / MODELS_FOLDER)
        self._folds = ModelStore(context.cache / FOLDS_FOLDER)
        self._last_folds: deque[str] = deque(maxlen=FOLDS_KEPT)
        self._in_memory: dict[str, Model] = {}
        self._encoded: dict[str, Features] = {}

    @cached_property
    def factory(self) -> ClassifierFactory:
        """The kind of classifier that the settings name."""
        return classifiers.create(self._context)

    def model(self, training_set: TrainingSet) -> Model:
        """The model of a training set: from memory, from disk, or trained.

        Raises:
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        if training_set.id not in self._in_memory:
            classifier = self._loaded(training_set.id) or self._trained(training_set)
            while len(self._in_memory) >= MODELS_IN_MEMORY:
                del self._in_memory[next(iter(self._in_memory))]
            self._in_memory[training_set.id] = self._scored(classifier, training_set)
        return self._in_memory[training_set.id]

    def out_of_fold(self, training_set: TrainingSet, folds: int) -> Proba:
        """Probabilities (k, C) of the labelled texts by models that were not trained on them.

        Raises:
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        from loopd.learning.folds import out_of_fold

        name = hashlib.sha256(f"{training_set.id}/{folds}".encode()).hexdigest()[:16]
        stored = self._folds.get(name)
        if stored is None or "proba" not in stored:
            seed = seeding.for_step(self._seed, training_set.step, "folds")
            with seeding.seeded(seed):
                proba = out_of_fold(
                    self._dataset(training_set),
                    self.factory.new,
                    folds=folds,
                    seed=seed,
                    weights=self._weights(training_set),
                )
            stored = {"proba": np.asarray(proba, dtype=np.float32)}
            self._folds.put(name, stored)
        if name not in self._last_folds:
            self._last_folds.append(name)
            self._folds.keep(self._last_folds)
        return stored["proba"].astype(np.float32)

    def cross_predicted(
        self, training_set: TrainingSet, targets: Sequence[Target], folds: int
    ) -> dict[int, Target]:
        """Predictions for labelled texts by models that were not shown them; nothing is kept.

        Args:
            training_set: the labelled texts.
            targets: (k,) of them.
            folds: parts of the cross-validation.

        Returns:
            The predictions by row of the pool.
        """
        from loopd.learning.cross_validation import CrossPredictor

        seed = seeding.for_step(self._seed, training_set.step, "cross-validation")
        predictor = CrossPredictor(self.factory, self._problem, seed)
        with seeding.seeded(seed):
            by_row = predictor.predicted(self._dataset(training_set), targets, folds)
        return {int(training_set.positions[row]): guess for row, guess in by_row.items()}

    def features(self, texts: Sequence[str], fingerprint: str | None, of_pool: str) -> Features:
        """Features of texts; those of a set with a fingerprint are kept for the next call."""
        if fingerprint is None:
            return self.factory.encode(texts)
        if fingerprint == of_pool:
            return self.factory.pool_features
        if fingerprint not in self._encoded:
            self._encoded[fingerprint] = self.factory.encode(texts, fingerprint)
        return self._encoded[fingerprint]

    def keep(self, model_ids: Collection[str]) -> None:
        """Drop all other models from memory and disk."""
        self._store.keep(model_ids)
        for model_id in set(self._in_memory) - set(model_ids):
            del self._in_memory[model_id]

    def _loaded(self, model_id: str) -> Classifier | None:
        tensors = self._store.get(model_id)
        try:
            return None if tensors is None else self.factory.load(tensors)
        except (KeyError, ValueError):  # written by another version: train again
            return None

    def _trained(self, training_set: TrainingSet) -> Classifier:
        from loopd.learning.foreign import calling

        seed = seeding.for_step(self._seed, training_set.step, "fit")
        weights = self._weights(training_set)
        some: dict[str, Weights] = {} if weights is None else {"weights": weights}
        with seeding.seeded(seed):
            classifier = self.factory.new(seed)
            labelled = self._dataset(training_set)
            with calling("training the classifier"):
                classifier.fit(labelled, **some)
        tensors = self.factory.save(classifier)
        if tensors is not None:
            self._store.put(training_set.id, tensors)
        return classifier

    def _dataset(self, training_set: TrainingSet) -> IndexedDataset:
        from loopd.learning.dataset import IndexedDataset

        classes = np.arange(len(self._problem.labels))
        return IndexedDataset(
            self.factory.pool_features, training_set.y, classes, rows=training_set.positions
        )

    def _weights(self, training_set: TrainingSet) -> Weights | None:
        """How much each text (k,) counts for a further member of an ensemble; ``None``: the same.

        Members whose training draws nothing would all be alike, so that they get Rubin's Bayesian
        bootstrap (1981): weights from an exponential distribution, their mean 1. Unlike the usual
        bootstrap it loses no text, so that no label is left without one.
        """
        if training_set.member == 0 or not draws_nothing(self.factory):
            return None
        rng = seeding.rng(self._seed, training_set.step, "bootstrap")
        drawn = rng.standard_exponential(len(training_set.positions))
        return np.asarray(drawn / drawn.mean(), dtype=np.float32)

    def _scored(self, classifier: Classifier, training_set: TrainingSet) -> Model:
        from loopd.learning.preselect import candidates

        seed = seeding.for_step(self._seed, training_set.step, "candidates")
        scores = self._problem.scores(
            classifier,
            self.factory.pool_features,
            lambda ask: candidates(self.factory, self._context, training_set.positions, seed, ask),
        )
        return Model(training_set.id, training_set.round, scores)


FOLDS_KEPT = 16
"""Out-of-sample predictions that stay on disk: those of the members of an ensemble."""
