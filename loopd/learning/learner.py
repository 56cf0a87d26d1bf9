"""Owns the learner, a throw-away function of (pool, answers so far, seed, round).

Ids at its border, positions inside. It must not remember anything that a result depends on: what
it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopd.compute.engine import LOCAL, Engine
from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning import seeding
from loopd.learning.arrays import Floats, Proba, Vectors
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.classifiers.contract import ClassifierContext, embeds, never_interrupted, silent
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.foreign import calling
from loopd.learning.pool_rows import PoolRows
from loopd.learning.predictions import Prediction, predictions
from loopd.learning.problems.problem import Problem, problem_of
from loopd.learning.random_draw import FIRST, drawn_at_random
from loopd.learning.representation import Background, Representation
from loopd.learning.strategies import registry as strategies
from loopd.learning.takeover import TakesOver, Tuned
from loopd.learning.trainer import Model, Trainer
from loopd.learning.training_sets import TrainingSets
from loopd.records import BatchItem, PoolId, Target, Targets

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.frozen_classifier import FrozenClassifier
    from loopd.learning.unread import Unread

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
        descriptions: texts by label that every model learns from.
        apart: gives ids from which no model may learn in any way, texts without a label included.
        interrupt: called at each optimiser step and inference batch; may raise ``Interrupted``.
        progress: called with (what, done, total) during long steps.
        engine: does what falls into pieces.
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
        descriptions: Mapping[str, tuple[str, ...]] | None = None,
        apart: Callable[[], Collection[PoolId]] = tuple,
        interrupt: Callable[[], None] = never_interrupted,
        progress: Callable[[str, int, int], None] = silent,
        engine: Engine = LOCAL,
    ) -> None:
        self._pool, self._rows = pool, PoolRows(pool).of
        self._problem = problem_of("single_label", labels) if isinstance(labels, tuple) else labels
        self._strategy, self._seed = strategy, seed
        self.contenders: Mapping[str, Learner] = {}
        """By name, where ``auto`` decides between them; empty where a classifier is named."""
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
            engine=engine,
        )
        self._described = DescribedLabels.of(descriptions or {}, self._problem)
        self._sets = TrainingSets(self._context, self._problem, self._described, seed)
        self._trainer = Trainer(
            self._context, self._problem, seed, self._described, lambda: self._rows(apart())
        )

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
        section = None if at_random else strategies.cold_start(self._strategy, self.represents)
        if section is None or section.name == strategies.RANDOM:
            items = drawn_at_random(self._pool, size, taken, seeding.rng(self._seed, round, FIRST))
            return BatchChoice(items, strategies.RANDOM)
        from loopd.learning.fitted import ColdClassifier

        cold = ColdClassifier(len(self._problem.labels), self._background)
        return self._ask(section, cold, size, round=round, taken=(labelled, exclude, hidden))

    def can_fit(self, targets: Targets, *, described: bool = True) -> bool:
        """Whether there are enough labels to train on, such as two different ones.

        Labels that are described need no answer, unless ``described`` is false.
        """
        return self._sets.can_fit(targets, described=described)

    def can_choose(self, targets: Targets) -> bool:
        """Whether people gave as many different answers as the query strategy needs."""
        return len(set(targets.values())) >= strategies.labels_needed(self._strategy)

    def takes_over(self, labels: int, before: int) -> bool:
        """Whether a model on so many labels keeps the encoder fine-tuned on ``before`` labels."""
        factory = self._trainer.factory
        return isinstance(factory, TakesOver) and factory.growth.takes_over(labels, before)

    def model_id(
        self,
        round: int,  # noqa: A002
        targets: Targets,
        member: int = 0,
        *,
        encoder: Tuned | None = None,
    ) -> str:
        """Name of the model that ``fit`` gives: 16 hexadecimal digits; cheap."""
        return self._sets.model_id(round, targets, member, encoder)

    def fit(
        self,
        round: int,  # noqa: A002
        targets: Targets,
        member: int = 0,
        *,
        encoder: Tuned | None = None,
    ) -> Model:
        """Train a model, or take it from memory or from the cache on disk.

        Args:
            round: number of the batch whose answers came last.
            targets: target by record id, in any order; records may be missing.
            member: of an ensemble, from 0: what the model is where there is no other.
            encoder: the earlier model whose encoder it takes over; ``None``: it fine-tunes its own.

        Raises:
            ModelError: too few labels to train on, or a label or id that does not exist.
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        return self._trainer.model(self._sets.of(round, targets, member, encoder))

    def train_members(self, round: int, targets: Targets, members: Collection[int]) -> None:  # noqa: A002
        """Train the models that ``fit`` will give for these members; nothing without workers."""
        self._trainer.train_all([self._sets.of(round, targets, member) for member in members])

    def stored(
        self, model_id: str, number: int, targets: Targets, encoder: Tuned | None = None
    ) -> Model | None:
        """The model of a round by its name, if it is in the cache, trained on these targets."""
        return self._trainer.stored(self._sets.named(model_id, number, targets, encoder))

    def out_of_fold(
        self,
        round: int,  # noqa: A002
        targets: Targets,
        folds: int = 5,
        member: int = 0,
    ) -> dict[PoolId, Proba]:
        """Probabilities (C,) of each labelled record by a model that was not trained on it.

        The arguments are those of ``fit``, and the number of folds. Raises as ``fit`` does, and
        ``ModelError`` where the problem has no probabilities of texts.
        """
        if self._problem.kind == "spans":
            raise ModelError("spans have no probability of a text", "use another consensus")
        training_set = self._sets.of(round, targets, member)
        proba = self._trainer.out_of_fold(training_set, folds)
        ids = self._pool.ids_at(training_set.positions.tolist())
        return dict(zip(ids, proba, strict=True))

    def cross_predicted(self, round: int, targets: Targets, folds: int) -> Targets:  # noqa: A002
        """What models say of labelled records that they were not shown, by id; for every kind.

        Of many records only some are predicted, see ``cross_validation``. Raises as ``fit`` does.
        """
        training_set = self._sets.of(round, targets)
        _, in_order = PoolRows(self._pool).aligned(targets)
        guesses = self._trainer.cross_predicted(training_set, in_order, folds)
        return dict(zip(self._pool.ids_at(guesses), guesses.values(), strict=True))

    def choose(
        self,
        model: Model,
        size: int,
        *,
        round: int,  # noqa: A002
        targets: Targets,
        exclude: Collection[PoolId],
        hidden: Collection[PoolId] = (),
        cold: bool = False,
    ) -> BatchChoice:
        """Ask the query strategy for the next records, most informative first.

        The cold start chooses in its place where people's answers are too few for it, as they may
        be where labels are described: then the model only proposes.

        Args:
            model: what ``fit`` gave.
            size: how many; fewer are returned where fewer are left, none where none is.
            round: number of the batch that is chosen.
            targets: target by record id: what small-text is told to be labelled.
            exclude: ids that must not be chosen: out with annotators, discarded or deleted. A
                strategy that spreads its choice stays away from them.
            hidden: ids that must not be chosen either, and of which the strategy must not know,
                so that they stay a sample like any other; none of them with a target.
            cold: whether the cold start chooses in any case.

        Raises:
            ModelError: the strategy cannot be built, fails, or breaks its contract.
        """
        if cold or not self.can_choose(targets):
            choice = self.first_batch(
                size, round=round, exclude=exclude, targets=targets, hidden=hidden
            )
        else:
            fitted, taken = model.scores.fitted(self._background), (targets, exclude, hidden)
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
        proposals = self._problem.proposals(model.predicting, rows)
        return tuple(
            replace(item, suggestion=proposal)
            for item, proposal in zip(items, proposals, strict=True)
        )

    def predict(self, model: Model, texts: Pool | Sequence[str]) -> list[Target]:
        """The most likely target of each text; the features of a ``Pool`` are kept."""
        with calling("the classifier's prediction"):
            return self._problem.predicted(model.predicting.classifier, self._dataset(texts))

    def predictions(self, model: Model, texts: Sequence[str]) -> list[Prediction]:
        """What the model itself says of texts of the pool or any others, and how sure it is."""
        features = self._trainer.features(texts)
        scores = self._problem.scores(model.predicting.classifier, features, lambda _: None)
        return predictions(self._problem, scores, np.arange(len(texts)))

    def predictions_of(self, model: Model, ids: Sequence[PoolId]) -> list[Prediction]:
        """The same of records of the pool, whose features are kept."""
        return predictions(self._problem, model.predicting, self._rows(ids))

    def predict_proba(self, model: Model, texts: Pool | Sequence[str]) -> Proba:
        """Probabilities (n, C) of texts, columns in the order of the labels; not for spans."""
        from loopd.learning.fitted import checked_proba

        classes = len(self._problem.labels)
        if not len(texts):
            return np.empty((0, classes), dtype=np.float32)
        predict = model.predicting.classifier.predict_proba
        return checked_proba(predict, self._dataset(texts), classes)

    def predict_pool(self, model: Model, ids: Sequence[PoolId]) -> Proba:
        """Probabilities (n, C) of records of the pool, by id; not for spans."""
        return model.predicting.of(self._rows(ids))

    def choosing_proba(self, model: Model, ids: Sequence[PoolId]) -> Proba:
        """The model's own by the head that chooses, whatever its candidates were."""
        return model.scores.own(self._rows(ids))

    def vectors(self, ids: Sequence[PoolId]) -> Vectors | None:
        """Vectors (n, d) of records of the pool that no label changes, of length 1.

        ``None`` where the classifier has none. They are made for the whole pool at the first use.
        """
        represented = self._representation
        return None if represented is None else represented.pool[self._rows(ids)]

    def similarities(self, others: Vectors, at_once: int) -> Iterator[Floats] | None:
        """Largest cosine of each text with any of the others, by workers; ``None`` without any."""
        from loopd.learning.shards.nearness import similarities

        return similarities(self._context, self._representation, others, at_once)

    def represents(self) -> bool:
        """Whether ``vectors`` gives any."""
        return self._representation is not None

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
            ConfigError, ModelError: one of them, or the cluster, is missing or cannot be used.
        """
        described, context = self._trainer.factory.describe(), self._context
        classes, paths = context.num_classes, context.code_paths
        kinds = {"embeds": embeds(self._trainer.factory), "represented": self.represents()}
        chosen_by = strategies.check(self._strategy, classes, paths, **kinds, kind=context.kind)
        engine = context.engine
        return f"{described}; {chosen_by}" + (f"; {engine.describe()}" if engine.spreads else "")

    def unread(self) -> Unread | None:
        """What its encoder does not read of the pool's texts; ``None``: it has none."""
        from loopd.learning.unread import of_pool

        return of_pool(self._context, self._trainer.factory)

    @property
    def _representation(self) -> Representation | None:
        return self._trainer.factory.representation

    @cached_property
    def _background(self) -> Background:
        return Background(self._problem.labels, lambda: self._representation)

    def _ask(
        self,
        section: StrategySection,
        classifier: FrozenClassifier,
        size: int,
        *,
        round: int,  # noqa: A002
        taken: tuple[Targets, Collection[PoolId], Collection[PoolId]],
    ) -> BatchChoice:
        from loopd.learning.asking import asked

        features = self._trainer.factory.pool_features
        return asked(self._sets, features, section, classifier, size=size, round=round, taken=taken)

    def _dataset(self, texts: Pool | Sequence[str]) -> IndexedDataset:
        return self._problem.pool(self._trainer.features(texts))
