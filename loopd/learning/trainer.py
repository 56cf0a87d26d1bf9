"""Owns how models are trained, cached and taken from the cache; positions only, no ids.

Must not choose texts. What it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from loopd.data.pool import Pool
from loopd.learning import seeding
from loopd.learning.arrays import Positions, Proba, Weights
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.classifiers.contract import ClassifierContext, ClassifierFactory, draws_nothing
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.model_store import ModelStore
from loopd.learning.predictor import predictor
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import Classifier, Features, ModelScores
from loopd.learning.takeover import Lender, LendsEncoder, TakesOver, refit
from loopd.learning.training_sets import Inherited, TrainingSet
from loopd.learning.untrained import Untrained
from loopd.records import Target
from loopd.storage.run_folder import FOLDS_FOLDER, MODELS_FOLDER

if TYPE_CHECKING:
    from loopd.learning.cross_validation import CrossPredictor
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.preselect import Ask
    from loopd.learning.shards.training import SpreadTraining

MODELS_IN_MEMORY = 2
"""The model of this round, and of the last while its batch is still out."""


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        id: digest of everything it depends on.
        round: the round it was trained in.
        scores: its small-text classifier with the pool's probabilities, by which is chosen; private
            to ``learning``.
        predicting: the same of what people see; the same object where that makes no difference.
    """

    id: str
    round: int
    scores: ModelScores = field(repr=False)
    predicting: ModelScores = field(repr=False)


def _no_rows() -> Positions:
    return np.empty(0, dtype=np.int64)


class Trainer:
    """Trains one kind of classifier on rows of the pool.

    Args:
        context: what classifiers are built from.
        problem: the kind of problem.
        seed: seed of the run.
        described: texts from which every model learns besides.
        apart: gives rows of the pool from which no model may learn in any way.
        factory: of the context's classifier, where there is one already.
    """

    def __init__(
        self,
        context: ClassifierContext,
        problem: Problem,
        seed: int,
        described: DescribedLabels | None = None,
        apart: Callable[[], Positions] = _no_rows,
        *,
        factory: ClassifierFactory | None = None,
    ) -> None:
        self._factory = factory
        self._find_apart = apart
        self._described = described or DescribedLabels()
        self._context = context
        self._problem = problem
        self._seed = seed
        self._store = ModelStore(context.cache / MODELS_FOLDER)
        self._folds = ModelStore(context.cache / FOLDS_FOLDER)
        self._last_folds: deque[str] = deque(maxlen=FOLDS_KEPT)
        self._last_crossed: tuple[tuple[str, int], dict[int, Target]] | None = None
        self._in_memory: dict[str, Model] = {}
        self._lender = Lender()
        self._encoded: dict[str, Features] = {}

    @cached_property
    def factory(self) -> ClassifierFactory:
        """The kind of classifier that the settings name."""
        return self._factory or classifiers.create(self._context)

    def model(self, training_set: TrainingSet) -> Model:
        """The model of a training set: from memory, from disk, or trained.

        Raises:
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        return self.stored(training_set) or self._kept(self._trained(training_set), training_set)

    def stored(self, training_set: TrainingSet) -> Model | None:
        """The model of a training set from memory or disk; ``None`` where it is gone."""
        if training_set.id in self._in_memory:
            return self._in_memory[training_set.id]
        classifier = self._loaded(training_set.id)
        return None if classifier is None else self._kept(classifier, training_set)

    def _kept(self, classifier: Classifier, training_set: TrainingSet) -> Model:
        while len(self._in_memory) >= MODELS_IN_MEMORY:
            del self._in_memory[next(iter(self._in_memory))]
        model = self._in_memory[training_set.id] = self._scored(classifier, training_set)
        return model

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
            seed, spread = self._folds_seed(training_set), self._spread()
            with seeding.seeded(seed):
                proba = out_of_fold(
                    self._dataset(training_set),
                    self._untrained.new_chooser,
                    folds=folds,
                    seed=seed,
                    weights=self._weights(training_set),
                    elsewhere=None if spread is None else spread.proba(training_set, folds),
                )
            stored = {"proba": np.asarray(proba, dtype=np.float32)}
            self._folds.put(name, stored)
        if name not in self._last_folds:
            self._last_folds.append(name)
            self._folds.keep(self._last_folds)
        return stored["proba"].astype(np.float32)

    def fold_proba(self, training_set: TrainingSet, folds: int, number: int) -> Proba:
        """What one of the models says of its fold, as a part of ``out_of_fold``."""
        from loopd.learning.folds import FoldParts

        seed, weights = self._folds_seed(training_set), self._weights(training_set)
        dataset = self._dataset(training_set)
        parts = FoldParts.of(dataset, folds=folds, seed=seed, weights=weights)
        return parts.proba(number, self._untrained.new_chooser)

    def fold_targets(
        self, training_set: TrainingSet, targets: Sequence[Target], folds: int, number: int
    ) -> list[Target]:
        """What one of the models predicts for its fold, as a part of ``cross_predicted``."""
        predictor = self._cross_predictor(training_set)
        return predictor.of_part(self._dataset(training_set), targets, folds, number)

    def train_all(self, training_sets: Sequence[TrainingSet]) -> None:
        """Train those models that are not in the cache, where several can be trained at once."""
        spread = self._spread()
        if spread is not None:
            spread.models([one for one in training_sets if self._store.get(one.id) is None])

    def _spread(self) -> SpreadTraining | None:
        """What trains in other processes, ``None`` where this one does."""
        from loopd.learning.shards import recipe
        from loopd.learning.shards.training import SpreadTraining

        context = self._context
        if not recipe.spreads(context.engine, context.section):
            return None
        _ = self.factory.pool_features  # on disk, where workers find them
        of_factory = recipe.FactoryRecipe.of(context)
        parts = self._problem, self._seed, self._described, self._apart
        order = recipe.TrainerRecipe(of_factory, *parts)
        return SpreadTraining(context.engine, order, context.interrupt)

    def _folds_seed(self, training_set: TrainingSet) -> int:
        return seeding.for_step(self._seed, training_set.step, "folds")

    def cross_predicted(
        self, training_set: TrainingSet, targets: Sequence[Target], folds: int
    ) -> dict[int, Target]:
        """Predictions for labelled texts by models that were not shown them; the last are kept.

        Args:
            training_set: the labelled texts.
            targets: (k,) of them.
            folds: parts of the cross-validation.

        Returns:
            The predictions by row of the pool.
        """
        name = (training_set.id, folds)
        if self._last_crossed is not None and self._last_crossed[0] == name:
            return self._last_crossed[1]
        predictor, spread = self._cross_predictor(training_set), self._spread()
        with seeding.seeded(predictor.seed):
            by_row = predictor.predicted(
                self._dataset(training_set),
                targets,
                folds,
                None if spread is None else spread.targets(training_set, targets, folds),
            )
        guesses = {int(training_set.positions[row]): guess for row, guess in by_row.items()}
        self._last_crossed = name, guesses
        return guesses

    def _cross_predictor(self, training_set: TrainingSet) -> CrossPredictor:
        from loopd.learning.cross_validation import CrossPredictor

        seed = seeding.for_step(self._seed, training_set.step, "cross-validation")
        return CrossPredictor(self._untrained.new, self._problem, seed, self._described.targets)

    def features(self, texts: Pool | Sequence[str]) -> Features:
        """Features of texts; those of a ``Pool`` are kept for the next call."""
        if not isinstance(texts, Pool):
            return self.factory.encode(list(texts))
        fingerprint = texts.fingerprint
        if fingerprint == self._context.pool.fingerprint:
            return self.factory.pool_features
        if fingerprint not in self._encoded:
            self._encoded[fingerprint] = self.factory.encode(texts.texts, fingerprint)
        return self._encoded[fingerprint]

    def keep(self, model_ids: Collection[str]) -> None:
        """Drop all other models from memory and disk."""
        self._store.keep(model_ids)
        self._lender.keep(model_ids)
        for model_id in set(self._in_memory) - set(model_ids):
            del self._in_memory[model_id]

    def _loaded(self, model_id: str) -> Classifier | None:
        tensors = self._store.get(model_id)
        try:
            return None if tensors is None else self.factory.load(tensors)
        except (KeyError, ValueError):  # written by another version: train again
            return None

    def _trained(self, training_set: TrainingSet) -> Classifier:
        from loopd.learning.classifiers.described import trained
        from loopd.learning.foreign import calling

        seed = seeding.for_step(self._seed, training_set.step, "fit")
        weights = self._weights(training_set)
        some: dict[str, Weights] = {} if weights is None else {"weights": weights}
        with seeding.seeded(seed):
            labelled = self._dataset(training_set)
            before = self._taken_over(training_set)
            classifier = before or self._new(seed, training_set)
            with calling("training the classifier"):
                if before is None:
                    classifier.fit(labelled, **some)
                else:
                    refit(before, labelled, weights)
            classifier = trained(classifier)
        tensors = self.factory.save(classifier)
        if tensors is not None:
            self._store.put(training_set.id, tensors)
        return classifier

    def _new(self, seed: int, training_set: TrainingSet) -> Classifier:
        """Further members of an ensemble are only asked what to choose."""
        untrained = self._untrained
        return untrained.new_chooser(seed) if training_set.member else untrained.new(seed)

    def _taken_over(self, training_set: TrainingSet) -> Classifier | None:
        """The earlier model whose encoder stays, trained again where it is gone."""
        encoder = training_set.encoder
        if encoder is None or not isinstance(self.factory, TakesOver):
            return None
        lent = self._lender.lend(encoder.tuned.id, lambda: self._tuned(encoder))
        return self._untrained.with_descriptions(lent)

    def _tuned(self, encoder: Inherited) -> Classifier:
        name = encoder.tuned.id
        model = self._in_memory.get(name)
        if model is not None and isinstance(model.scores.classifier, LendsEncoder):
            return model.scores.classifier
        return self._loaded(name) or self._trained(encoder.training_set())

    @cached_property
    def _untrained(self) -> Untrained:
        return Untrained(self.factory, self._problem, self._described)

    def _dataset(self, training_set: TrainingSet) -> IndexedDataset:
        from loopd.learning.dataset import IndexedDataset

        return IndexedDataset(
            self.factory.pool_features,
            training_set.y,
            np.arange(len(self._problem.labels)),
            rows=training_set.positions,
            # The folds of a cross-validation, too, must not learn from what they predict.
            apart=np.union1d(training_set.positions, self._apart),
        )

    @cached_property
    def _apart(self) -> Positions:
        return self._find_apart()

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

        seed = seeding.for_step(self._seed, training_set.encoder_step, "candidates")
        scores = self._problem.scores(
            classifier,
            self.factory.pool_features,
            lambda ask: candidates(self.factory, self._context, training_set.positions, seed, ask),
        )
        other, predicting = predictor(classifier), scores
        if other is not classifier:
            predicting = self._problem.scores(other, self.factory.pool_features, _whole_pool)
        return Model(training_set.id, training_set.round, scores, predicting)


def _whole_pool(ask: Ask) -> None:
    """People are shown few texts, and predictions of all are the model's own: no preselection."""
    del ask


FOLDS_KEPT = 16
"""Out-of-sample predictions that stay on disk: those of the members of an ensemble."""
