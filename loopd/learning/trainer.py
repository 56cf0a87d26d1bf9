"""Owns how models are trained, cached and taken from the cache; positions only, no ids.

Must not choose texts. What it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.learning import seeding
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.classifiers.contract import ClassifierFactory, Surroundings
from loopd.learning.model_store import ModelStore
from loopd.learning.problems.problem import Problem

Positions = NDArray[np.int64]

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
    scores: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lesson:
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
    y: Any
    member: int = 0

    @property
    def step(self) -> int:
        """The round that seeds training: another one for each member."""
        return self.round + APART * self.member


class Trainer:
    """Trains one kind of classifier on rows of the pool.

    Args:
        surroundings: what classifiers are built from.
        problem: the kind of problem.
        seed: seed of the run.
    """

    def __init__(self, surroundings: Surroundings, problem: Problem, seed: int) -> None:
        self._surroundings = surroundings
        self._problem = problem
        self._seed = seed
        self._store = ModelStore(surroundings.cache / "models")
        self._folds = ModelStore(surroundings.cache / "folds")
        self._last_folds: deque[str] = deque(maxlen=FOLDS_KEPT)
        self._in_memory: dict[str, Model] = {}
        self._encoded: dict[str, Any] = {}

    @cached_property
    def factory(self) -> ClassifierFactory:
        """The kind of classifier that the settings name."""
        return classifiers.create(self._surroundings)

    def model(self, lesson: Lesson) -> Model:
        """The model of a lesson: from memory, from disk, or trained.

        Raises:
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        if lesson.id not in self._in_memory:
            classifier = self._loaded(lesson.id) or self._trained(lesson)
            while len(self._in_memory) >= MODELS_IN_MEMORY:
                del self._in_memory[next(iter(self._in_memory))]
            self._in_memory[lesson.id] = self._scored(classifier, lesson)
        return self._in_memory[lesson.id]

    def out_of_fold(self, lesson: Lesson, folds: int) -> NDArray[np.float32]:
        """Probabilities (k, C) of the lesson's texts by models that were not trained on them.

        Raises:
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        from loopd.learning.folds import out_of_fold

        name = hashlib.sha256(f"{lesson.id}/{folds}".encode()).hexdigest()[:16]
        known = self._folds.get(name)
        if known is None or "proba" not in known:
            seed = seeding.for_step(self._seed, lesson.step, "folds")
            with seeding.seeded(seed):
                proba = out_of_fold(
                    self._train_set(lesson),
                    self.factory.new,
                    folds=folds,
                    seed=seed,
                    weights=self._weights(lesson),
                )
            known = {"proba": np.asarray(proba, dtype=np.float32)}
            self._folds.put(name, known)
        if name not in self._last_folds:
            self._last_folds.append(name)
            self._folds.keep(self._last_folds)
        return known["proba"].astype(np.float32)

    def features(self, texts: Any, fingerprint: str | None, of_pool: str) -> Any:
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

    def _loaded(self, model_id: str) -> Any:
        tensors = self._store.get(model_id)
        try:
            return None if tensors is None else self.factory.load(tensors)
        except (KeyError, ValueError):  # written by another version: train again
            return None

    def _trained(self, lesson: Lesson) -> Any:
        from loopd.learning.foreign import calling

        seed = seeding.for_step(self._seed, lesson.step, "fit")
        weights = self._weights(lesson)
        some = {} if weights is None else {"weights": weights}
        with seeding.seeded(seed):
            classifier = self.factory.new(seed)
            train_set = self._train_set(lesson)
            with calling("training the classifier"):
                classifier.fit(train_set, **some)
        tensors = self.factory.save(classifier)
        if tensors is not None:
            self._store.put(lesson.id, tensors)
        return classifier

    def _train_set(self, lesson: Lesson) -> Any:
        from loopd.learning.dataset import IndexedDataset

        classes = np.arange(len(self._problem.labels))
        return IndexedDataset(self.factory.pool_features, lesson.y, classes, rows=lesson.positions)

    def _weights(self, lesson: Lesson) -> NDArray[np.float32] | None:
        """How much each text (k,) counts for a further member of an ensemble; ``None``: the same.

        Members whose training draws nothing would all be alike, so that they get Rubin's Bayesian
        bootstrap (1981): weights from an exponential distribution, their mean 1. Unlike the usual
        bootstrap it loses no text, so that no label is left without one.
        """
        if lesson.member == 0 or not getattr(self.factory, "draws_nothing", False):
            return None
        rng = seeding.rng(self._seed, lesson.step, "bootstrap")
        drawn = rng.standard_exponential(len(lesson.positions))
        return np.asarray(drawn / drawn.mean(), dtype=np.float32)

    def _scored(self, classifier: Any, lesson: Lesson) -> Model:
        from loopd.learning.preselect import candidates

        seed = seeding.for_step(self._seed, lesson.step, "candidates")
        scores = self._problem.scores(
            classifier,
            self.factory.pool_features,
            lambda ask: candidates(self.factory, self._surroundings, lesson.positions, seed, ask),
        )
        return Model(lesson.id, lesson.round, scores)


FOLDS_KEPT = 16
"""Out-of-sample predictions that stay on disk: those of the members of an ensemble."""
