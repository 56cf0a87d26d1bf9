"""Owns the learner, a throw-away function of (pool, answers so far, seed, round).

Ids at its border, positions inside. It must not remember anything that a result depends on: what
it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning import seeding
from loopd.learning.arrays import Positions, Proba, Vectors
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.classifiers.contract import ClassifierContext, embeds, never_interrupted, silent
from loopd.learning.foreign import calling
from loopd.learning.predictions import Prediction, predictions
from loopd.learning.problems.problem import Problem, problem_of
from loopd.learning.random_draw import FIRST, drawn_at_random
from loopd.learning.representation import Background, Representation
from loopd.learning.strategies import registry as strategies
from loopd.learning.trainer import Model, Trainer, TrainingSet
from loopd.records import BatchItem, PoolId, Target, Targets

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.frozen_classifier import FrozenClassifier
    from loopd.learning.labels import Labels

__all__ = ["BatchChoice", "Learner", "Model"]


class Learner:
    """Trains on answers, chooses the next records, and predicts.

    Cheap to build: nothing is imported, encoded or loaded before it is needed.

    Args:
        pool: the texts to choose from.
        labels: label names, in the order of probability columns; or the whole problem.
        classifier: the model's settings.
        strategy: the query strategy's settings.
        seed: seed of the run.
        cache: folder for models and encodings; everything in it may be deleted at any time.
        code_paths: folders besides the working folder in which dotted paths are looked for.
        interrupt: called at each optimiser step and inference batch; may raise ``Interrupted``.
        progress: called with (what, done, total) during long steps.
    """

    def __init__(  # noqa: PLR0913 (the border to the whole loop; all but two by keyword)
        self,
        pool: Pool,
        labels: tuple[str, ...] | Problem,
        *,
        classifier: ClassifierSection,
        strategy: StrategySection,
        seed: int,
        cache: Path,
        code_paths: Sequence[Path] = (),
        interrupt: Callable[[], None] = never_interrupted,
        progress: Callable[[str, int, int], None] = silent,
    ) -> None:
        self._pool = pool
        self._problem = problem_of("single_label", labels) if isinstance(labels, tuple) else labels
        self._strategy = strategy
        self._seed = seed
        self._context = ClassifierContext(
            pool,
            len(self._problem.labels),
            classifier,
            cache,
            tuple(code_paths),
            interrupt,
            progress,
            labels=self._problem.labels,
            kind=self._problem.kind,
        )
        self._trainer = Trainer(self._context, self._problem, seed)

    def first_batch(
        self,
        size: int,
        *,
        round: int,  # noqa: A002
        exclude: Collection[PoolId],
        targets: Targets | None = None,
        hidden: Collection[PoolId] = (),
        at_random: bool = False,
    ) -> BatchChoice:
        """Records chosen without a model: the start of a run, or as long as none can be trained.

        The cold start of the settings chooses; random sampling does where that needs a
        representation and the classifier has none.

        Args:
            size: how many; fewer are returned where fewer are left.
            round: number of the batch.
            exclude: ids that must not be chosen.
            targets: target by record id, as far as there are any: covered already.
            hidden: ids of which the strategy must not know, none of them with a target.
            at_random: draw them whatever the cold start is: nothing is imported or encoded.

        Raises:
            ModelError: the cold start cannot be built, needs a model, or breaks its contract.
        """
        labelled = targets or {}
        taken = {*labelled, *exclude, *hidden}
        section = None if at_random else strategies.cold_start(self._strategy, self._represents)
        if section is None or section.name == strategies.RANDOM:
            items = drawn_at_random(self._pool, size, taken, seeding.rng(self._seed, round, FIRST))
            return BatchChoice(items, strategies.RANDOM)
        from loopd.learning.fitted import ColdClassifier

        cold = ColdClassifier(len(self._problem.labels), self._background)
        return self._ask(section, cold, size, round=round, taken=(labelled, exclude, hidden))

    def can_fit(self, targets: Targets) -> bool:
        """Whether there are enough labels to train on, such as two different ones."""
        return self._problem.can_fit(list(targets.values()))

    def model_id(self, round: int, targets: Targets, member: int = 0) -> str:  # noqa: A002
        """Name of the model that ``fit`` gives: 16 hexadecimal digits; cheap.

        The order of the targets does not matter.
        """
        what: dict[str, object] = {
            "pool": self._pool.fingerprint,
            "targets": sorted(targets.items()),
            "labels": self._problem.labels,
            "classifier": classifiers.identity(self._context.section),
            "seed": self._seed,
            "round": round,
        }
        if self._problem.kind != "single_label":
            what["problem"] = repr(self._problem)
        if member:
            what["member"] = member
        text = json.dumps(what, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def fit(self, round: int, targets: Targets, member: int = 0) -> Model:  # noqa: A002
        """Train a model, or take it from memory or from the cache on disk.

        Args:
            round: number of the batch whose answers came last.
            targets: target by record id, in any order; records may be missing.
            member: of an ensemble, from 0: what the model is where there is no other.

        Raises:
            ModelError: too few labels to train on, or a label or id that does not exist.
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        return self._trainer.model(self._training_set(round, targets, member))

    def out_of_fold(
        self,
        round: int,  # noqa: A002
        targets: Targets,
        folds: int = 5,
        member: int = 0,
    ) -> dict[PoolId, Proba]:
        """Probabilities (C,) of each labelled record by a model that was not trained on it.

        Args:
            round: number of the batch whose answers came last.
            targets: target by record id.
            folds, member: parts of the cross-validation, and as for ``fit``.

        Raises:
            ModelError: as ``fit`` does; or the problem has no probabilities of texts.
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        if self._problem.kind == "spans":
            raise ModelError("spans have no probability of a text", "use another consensus")
        training_set = self._training_set(round, targets, member)
        proba = self._trainer.out_of_fold(training_set, folds)
        ids = [self._pool.records[position].id for position in training_set.positions]
        return dict(zip(ids, proba, strict=True))

    def cross_predicted(self, round: int, targets: Targets, folds: int) -> Targets:  # noqa: A002
        """What models say of labelled records that they were not shown, by id; for every kind.

        Of many records only some are predicted, see ``cross_validation``. Raises as ``fit`` does.
        """
        training_set, records = self._training_set(round, targets, 0), self._pool.records
        in_order = [targets[records[position].id] for position in training_set.positions]
        guesses = self._trainer.cross_predicted(training_set, in_order, folds)
        return {records[position].id: guess for position, guess in guesses.items()}

    def choose(
        self,
        model: Model,
        size: int,
        *,
        round: int,  # noqa: A002
        targets: Targets,
        exclude: Collection[PoolId],
        hidden: Collection[PoolId] = (),
    ) -> BatchChoice:
        """Ask the query strategy for the next records, most informative first.

        Args:
            model: what ``fit`` gave.
            size: how many; fewer are returned where fewer are left, none where none is.
            round: number of the batch that is chosen.
            targets: target by record id: what small-text is told to be labelled.
            exclude: ids that must not be chosen: out with annotators, discarded or deleted. A
                strategy that spreads its choice stays away from them.
            hidden: ids that must not be chosen either, and of which the strategy must not know,
                so that they stay a sample like any other; none of them with a target.

        Raises:
            ModelError: the strategy cannot be built, fails, or breaks its contract.
        """
        fitted = model.scores.fitted(self._background)
        taken = targets, exclude, hidden
        choice = self._ask(self._strategy, fitted, size, round=round, taken=taken)
        return replace(choice, items=self.suggested(model, choice.items))

    def candidates(self, model: Model, ids: Sequence[PoolId], size: int) -> list[PoolId]:
        """Those of the ids at which the model itself looks in this round; see ``preselect``.

        All of them where the pool is not too big for it, or where fewer than ``size`` are left.
        """
        preselection = model.scores.preselection
        if preselection is None:
            return list(ids)
        kept = [ids[index] for index in preselection.among(self._rows(ids))]
        return kept if len(kept) >= size else list(ids)

    def suggested(self, model: Model, items: Sequence[BatchItem]) -> tuple[BatchItem, ...]:
        """The items with what the model proposes for their records."""
        rows = self._rows([item.record_id for item in items])
        proposals = self._problem.proposals(model.scores, rows)
        return tuple(
            replace(item, suggestion=proposal)
            for item, proposal in zip(items, proposals, strict=True)
        )

    def predict(self, model: Model, texts: Pool | Sequence[str]) -> list[Target]:
        """The most likely target of each text; the features of a ``Pool`` are kept."""
        with calling("the classifier's prediction"):
            return self._problem.predicted(model.scores.classifier, self._dataset(texts))

    def predictions(self, model: Model, texts: Sequence[str]) -> list[Prediction]:
        """What the model itself says of texts of the pool or any others, and how sure it is."""
        features = self._trainer.features(list(texts), None, self._pool.fingerprint)
        scores = self._problem.scores(model.scores.classifier, features, lambda _: None)
        return predictions(self._problem, scores, np.arange(len(texts)))

    def predictions_of(self, model: Model, ids: Sequence[PoolId]) -> list[Prediction]:
        """The same of records of the pool, whose features are kept."""
        return predictions(self._problem, model.scores, self._rows(ids))

    def predict_proba(self, model: Model, texts: Pool | Sequence[str]) -> Proba:
        """Probabilities (n, C) of texts, columns in the order of the labels; not for spans."""
        from loopd.learning.fitted import checked_proba

        classes = len(self._problem.labels)
        if not len(texts):
            return np.empty((0, classes), dtype=np.float32)
        return checked_proba(model.scores.classifier.predict_proba, self._dataset(texts), classes)

    def predict_pool(self, model: Model, ids: Sequence[PoolId]) -> Proba:
        """Probabilities (n, C) of records of the pool, by id; not for spans."""
        return model.scores.of(self._rows(ids))

    def vectors(self, ids: Sequence[PoolId]) -> Vectors | None:
        """Vectors (n, d) of records of the pool that no label changes, of length 1.

        ``None`` where the classifier has none. They are made for the whole pool at the first use.
        """
        represented = self._representation
        return None if represented is None else represented.pool[self._rows(ids)]

    def decisions(self, model: Model, ids: Sequence[PoolId]) -> Proba:
        """Probabilities (m, k) of all decisions about records of the pool.

        A decision is a text's label, whether one label applies to a text, or a token's tag, by the
        kind of problem; m depends on the records alone.
        """
        return model.scores.decisions(self._rows(ids))

    @property
    def decision_classes(self) -> int:
        """The number of columns k of ``decisions``."""
        return self._problem.decision_classes

    def keep(self, model_ids: Collection[str]) -> None:
        """Drop all other models from memory and disk."""
        self._trainer.keep(model_ids)

    def check(self) -> str:
        """Load tokenizer, model and strategy, and describe them in one line.

        Raises:
            ModelError: one of them is missing, unknown or cannot be loaded.
        """
        described = self._trainer.factory.describe()
        context = self._context
        chosen_by = strategies.check(
            self._strategy,
            context.num_classes,
            context.code_paths,
            represented=self._represents(),
            embeds=embeds(self._trainer.factory),
            kind=context.kind,
        )
        return f"{described}; {chosen_by}"

    @property
    def _representation(self) -> Representation | None:
        """Vectors that no label changes; ``None`` where the classifier has none."""
        return self._trainer.factory.representation

    def _represents(self) -> bool:
        return self._representation is not None

    @cached_property
    def _background(self) -> Background:
        return Background(self._problem.labels, lambda: self._representation)

    def _training_set(self, round: int, targets: Targets, member: int) -> TrainingSet:  # noqa: A002
        positions, y = self._aligned(targets)
        if not self.can_fit(targets):
            raise ModelError(
                f"{len(targets)} labels of {len(set(targets.values()))} kinds are too few to train",
                "label records of at least two different kinds",
            )
        return TrainingSet(self.model_id(round, targets, member), round, positions, y, member)

    def _ask(
        self,
        section: StrategySection,
        classifier: FrozenClassifier,
        size: int,
        *,
        round: int,  # noqa: A002
        taken: tuple[Targets, Collection[PoolId], Collection[PoolId]],
    ) -> BatchChoice:
        """What a strategy chooses of what is neither labelled, nor excluded, nor hidden."""
        from loopd.learning import choosing

        targets, exclude, hidden = taken
        positions, y = self._aligned(targets)
        unseen = self._rows(hidden)
        ignored = np.setdiff1d(np.union1d(self._rows(exclude), unseen), positions)
        if strategies.asks_the_model(section):
            unseen = np.union1d(unseen, classifier.outside(np.union1d(ignored, positions), size))
        strategy = strategies.create(section, self._context.num_classes, self._context.code_paths)
        with seeding.seeded(seeding.for_step(self._seed, round, "query")):
            indices, scores = choosing.query(
                strategy,
                classifier,
                self._problem.pool(self._trainer.factory.pool_features),
                size,
                labelled=(positions, self._problem.told(y)),
                ignored=ignored,
                hidden=unseen,
            )
        ids = [self._pool.records[position].id for position in indices]
        items = tuple(map(BatchItem, ids, scores) if scores else map(BatchItem, ids))
        return BatchChoice(
            items, strategies.used(section, strategy), strategies.own_reason(strategy)
        )

    def _aligned(self, targets: Targets) -> tuple[Positions, Labels]:
        """Positions and targets in the order of the pool: labels meet texts by id."""
        unknown = next((id_ for id_ in sorted(targets) if id_ not in self._pool), None)
        if unknown is not None:
            raise ModelError(f"not a record of the pool: {unknown!r}")
        positions = np.sort(self._rows(targets))
        ids = [self._pool.records[position].id for position in positions]
        return positions, self._problem.encode([targets[id_] for id_ in ids])

    def _rows(self, ids: Collection[PoolId]) -> Positions:
        """Positions of the ids; ids that the pool does not hold are left out."""
        positions = self._pool.positions
        return np.array([positions[id_] for id_ in ids if id_ in positions], dtype=np.int64)

    def _dataset(self, texts: Pool | Sequence[str]) -> IndexedDataset:
        features = self._trainer.features(
            texts.texts if isinstance(texts, Pool) else list(texts),
            texts.fingerprint if isinstance(texts, Pool) else None,
            self._pool.fingerprint,
        )
        return self._problem.pool(features)
