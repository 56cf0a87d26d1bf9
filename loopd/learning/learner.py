"""Owns the learner, a throw-away function of (pool, answers so far, seed, round).

Ids at its border, positions inside. It must not remember anything that a result depends on: what
it keeps in memory or on disk is computed again when it is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning import seeding
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.classifiers.contract import (
    ClassifierFactory,
    Surroundings,
    never_interrupted,
    silent,
)
from loopd.learning.representation import Background, Representation
from loopd.learning.store import ModelStore
from loopd.learning.strategies import registry as strategies
from loopd.records import BatchItem, Suggestion, Targets

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
class Choice:
    """Records that are chosen for a batch.

    Attributes:
        items: the records, most informative first.
        strategy: name of the query strategy that really chose them.
    """

    items: tuple[BatchItem, ...]
    strategy: str


class Learner:
    """Trains on answers, chooses the next records, and predicts.

    Cheap to build: nothing is imported, encoded or loaded before it is needed.

    Args:
        pool: the texts to choose from.
        labels: label names; their order is that of probability columns.
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
        labels: tuple[str, ...],
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
        self._labels = labels
        self._strategy = strategy
        self._seed = seed
        self._code_paths = tuple(code_paths)
        self._store = ModelStore(cache / "models")
        self._surroundings = Surroundings(
            pool, len(labels), classifier, cache, self._code_paths, interrupt, progress
        )
        self._in_memory: dict[str, Model] = {}
        self._encoded: dict[str, Any] = {}

    def first_batch(
        self,
        size: int,
        *,
        round: int,  # noqa: A002
        exclude: Collection[str],
        targets: Targets | None = None,
    ) -> Choice:
        """Records chosen without a model: the start of a run, or as long as none can be trained.

        The cold start of the settings chooses; random sampling does where that needs a
        representation and the classifier has none.

        Args:
            size: how many; fewer are returned where fewer are left.
            round: number of the batch.
            exclude: ids that must not be chosen.
            targets: label name by record id, as far as there are any: covered already.

        Raises:
            ModelError: the cold start cannot be built, needs a model, or breaks its contract.
        """
        known = targets or {}
        section = strategies.cold_start(self._strategy, lambda: self._representation is not None)
        if section.name == strategies.RANDOM:
            return Choice(self._at_random(size, round, {*known, *exclude}), section.name)
        from loopd.learning.fitted import ColdClassifier

        cold = ColdClassifier(len(self._labels), self._background)
        return self._ask(section, cold, size, round=round, targets=known, exclude=exclude)

    def can_fit(self, targets: Targets) -> bool:
        """Whether there are enough labels to train on: two different ones."""
        return len(set(targets.values())) >= 2

    def model_id(self, round: int, targets: Targets) -> str:  # noqa: A002
        """Name of the model that ``fit`` gives: 16 hexadecimal digits; cheap.

        The order of the targets does not matter.
        """
        what = {
            "pool": self._pool.fingerprint,
            "targets": sorted(targets.items()),
            "labels": self._labels,
            "classifier": classifiers.identity(self._surroundings.section),
            "seed": self._seed,
            "round": round,
        }
        text = json.dumps(what, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def fit(self, round: int, targets: Targets) -> Model:  # noqa: A002
        """Train a model, or take it from memory or from the cache on disk.

        Args:
            round: number of the batch whose answers came last.
            targets: label name by record id, in any order; labels may be missing.

        Raises:
            ModelError: fewer than two different labels, or a label or id that is not known.
            Interrupted: a stop was asked for.
            StorageError: the cache cannot be written.
        """
        positions, y = self._aligned(targets)
        if not self.can_fit(targets):
            raise ModelError(
                f"{len(targets)} labels of {len(set(targets.values()))} kinds are too few to train",
                "label records of at least two different kinds",
            )
        model_id = self.model_id(round, targets)
        if model_id not in self._in_memory:
            classifier = self._loaded(model_id) or self._trained(model_id, round, positions, y)
            self._remember(Model(model_id, round, self._scores(classifier, round, positions)))
        return self._in_memory[model_id]

    def choose(
        self,
        model: Model,
        size: int,
        *,
        round: int,  # noqa: A002
        targets: Targets,
        exclude: Collection[str],
    ) -> Choice:
        """Ask the query strategy for the next records, most informative first.

        Args:
            model: what ``fit`` gave.
            size: how many; fewer are returned where fewer are left, none where none is.
            round: number of the batch that is chosen.
            targets: label name by record id: what small-text is told to be labelled.
            exclude: ids that must not be chosen: out with annotators, discarded or deleted.

        Raises:
            ModelError: the strategy cannot be built, fails, or breaks its contract.
        """
        from loopd.learning.fitted import FittedClassifier

        fitted = FittedClassifier(model.scores, self._background)
        choice = self._ask(
            self._strategy, fitted, size, round=round, targets=targets, exclude=exclude
        )
        return Choice(self._with_suggestions(model, choice.items), choice.strategy)

    def predict_proba(self, model: Model, texts: Pool | Sequence[str]) -> NDArray[np.float32]:
        """Probabilities (n, C) of texts, columns in the order of the labels.

        The features of a ``Pool`` (such as the test set) are kept for the next call.
        """
        from loopd.learning.dataset import unlabeled
        from loopd.learning.fitted import checked_proba

        if not len(texts):
            return np.empty((0, len(self._labels)), dtype=np.float32)
        dataset = unlabeled(self._features(texts), len(self._labels))
        return checked_proba(model.scores.classifier.predict_proba, dataset, len(self._labels))

    def predict_pool(self, model: Model, ids: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities (n, C) of records of the pool, by id."""
        rows = np.array(self._positions(ids), dtype=np.int64)
        proba: NDArray[np.float32] = model.scores.of(rows)
        return proba

    def keep(self, model_ids: Collection[str]) -> None:
        """Drop all other models from memory and disk."""
        self._store.keep(model_ids)
        for model_id in set(self._in_memory) - set(model_ids):
            del self._in_memory[model_id]

    def check(self) -> str:
        """Load tokenizer, model and strategy, and describe them in one line.

        Raises:
            ModelError: one of them is missing, unknown or cannot be loaded.
        """
        described = self._factory.describe()
        represented = self._representation is not None
        chosen_by = strategies.check(
            self._strategy, len(self._labels), self._code_paths, represented=represented
        )
        return f"{described}; {chosen_by}"

    @cached_property
    def _factory(self) -> ClassifierFactory:
        return classifiers.create(self._surroundings)

    @property
    def _representation(self) -> Representation | None:
        """Vectors that no label changes; ``None`` where the classifier has none."""
        found: Representation | None = getattr(self._factory, "representation", None)
        return found

    @cached_property
    def _background(self) -> Background:
        return Background(self._labels, lambda: self._representation)

    def _at_random(
        self,
        size: int,
        round: int,  # noqa: A002
        taken: Collection[str],
    ) -> tuple[BatchItem, ...]:
        """Records drawn at random; imports nothing heavy."""
        free = [record.id for record in self._pool if record.id not in taken]
        order = seeding.rng(self._seed, round, "first batch").permutation(len(free))
        return tuple(BatchItem(free[place]) for place in order[:size])

    def _ask(
        self,
        section: StrategySection,
        classifier: Any,
        size: int,
        *,
        round: int,  # noqa: A002
        targets: Targets,
        exclude: Collection[str],
    ) -> Choice:
        from loopd.learning import choosing

        positions, y = self._aligned(targets)
        ignored = sorted(set(self._positions(exclude)) - set(positions.tolist()))
        strategy = strategies.create(section, len(self._labels), self._code_paths)
        with seeding.seeded(seeding.for_step(self._seed, round, "query")):
            chosen, scores = choosing.query(
                strategy,
                classifier,
                self._factory.pool_features,
                size,
                labelled=(positions, y),
                ignored=classifier.narrowed(np.array(ignored, dtype=np.int64), size, positions),
            )
        records = [self._pool.records[position].id for position in chosen]
        known: Sequence[float | None] = scores or [None] * len(records)
        items = tuple(map(BatchItem, records, known))
        return Choice(items, strategies.used(section, strategy))

    def _aligned(self, targets: Targets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions and class numbers in the order of the pool: labels meet texts by id."""
        number = {label: place for place, label in enumerate(self._labels)}
        unknown = sorted({*targets.values()} - set(number)) + sorted(
            id_ for id_ in targets if id_ not in self._pool
        )
        if unknown:
            raise ModelError(f"not a label or not a record of the pool: {unknown[0]!r}")
        positions = np.array(sorted(self._positions(targets)), dtype=np.int64)
        records = self._pool.records
        y = np.array([number[targets[records[place].id]] for place in positions], dtype=np.int64)
        return positions, y

    def _positions(self, ids: Collection[str]) -> list[int]:
        """Positions of the ids; ids that the pool does not hold are left out."""
        known = self._pool.positions
        return [known[id_] for id_ in ids if id_ in known]

    def _loaded(self, model_id: str) -> Any:
        tensors = self._store.get(model_id)
        try:
            return None if tensors is None else self._factory.load(tensors)
        except (KeyError, ValueError):  # written by another version: train again
            return None

    def _trained(
        self,
        model_id: str,
        round: int,  # noqa: A002
        positions: NDArray[np.int64],
        y: NDArray[np.int64],
    ) -> Any:
        from loopd.learning.dataset import IndexedDataset
        from loopd.learning.foreign import calling

        seed = seeding.for_step(self._seed, round, "fit")
        with seeding.seeded(seed):
            classifier = self._factory.new(seed)
            train_set = IndexedDataset(
                self._factory.pool_features, y, np.arange(len(self._labels)), rows=positions
            )
            with calling("training the classifier"):
                classifier.fit(train_set)
        tensors = self._factory.save(classifier)
        if tensors is not None:
            self._store.put(model_id, tensors)
        return classifier

    def _scores(
        self,
        classifier: Any,
        round: int,  # noqa: A002
        labelled: NDArray[np.int64],
    ) -> Any:
        from loopd.learning.fitted import PoolScores
        from loopd.learning.preselect import candidates

        seed = seeding.for_step(self._seed, round, "candidates")
        return PoolScores(
            classifier,
            self._factory.pool_features,
            len(self._labels),
            lambda ask: candidates(self._factory, self._surroundings, labelled, seed, ask),
        )

    def _remember(self, model: Model) -> None:
        while len(self._in_memory) >= MODELS_IN_MEMORY:
            del self._in_memory[next(iter(self._in_memory))]
        self._in_memory[model.id] = model

    def _features(self, texts: Pool | Sequence[str]) -> Any:
        if not isinstance(texts, Pool):
            return self._factory.encode(list(texts))
        key = texts.fingerprint
        if key == self._pool.fingerprint:
            return self._factory.pool_features
        if key not in self._encoded:
            self._encoded[key] = self._factory.encode(texts.texts, key)
        return self._encoded[key]

    def _with_suggestions(
        self, model: Model, items: tuple[BatchItem, ...]
    ) -> tuple[BatchItem, ...]:
        proba = self.predict_pool(model, [item.record_id for item in items])
        best = proba.argmax(axis=1)
        return tuple(
            BatchItem(
                item.record_id,
                item.score,
                Suggestion(self._labels[best[place]], float(proba[place, best[place]])),
            )
            for place, item in enumerate(items)
        )
