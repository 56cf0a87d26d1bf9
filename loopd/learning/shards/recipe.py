"""Owns what a worker needs in order to build the same classifiers; must not do any work.

Imported without torch, so that what is sent can be built anywhere.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loopd.compute.engine import Engine
from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.learning.arrays import Positions, Tensors
from loopd.learning.classifiers import registry
from loopd.learning.classifiers.contract import ClassifierContext, ClassifierFactory
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import Classifier
from loopd.learning.trainer import Trainer

FACTORIES_KEPT = 2
"""With their encoders: as many as ``auto`` decides between."""

_IN_BF16 = ("frozen-head", "transformer")
"""Classifiers with the option ``bf16``."""

_FACTORIES: OrderedDict[str, ClassifierFactory] = OrderedDict()


@dataclass(frozen=True)
class FactoryRecipe:
    """A classifier's context without what belongs to one process.

    Attributes:
        pool: of the run; on disk it is sent as the paths of its files.
        num_classes, section, cache, code_paths, labels, kind: as in the context.
        key: changes with any of them.
    """

    pool: Pool
    num_classes: int
    section: ClassifierSection
    cache: Path
    code_paths: Sequence[Path]
    labels: tuple[str, ...]
    kind: str
    key: str

    @classmethod
    def of(cls, context: ClassifierContext) -> FactoryRecipe:
        """That of a context."""
        # GPUs have the number that the worker's machine gives them.
        device = context.section.device.partition(":")[0]
        section = _decided(context.section).model_copy(update={"device": device})
        cache = context.cache.absolute()
        parts = (context.pool.fingerprint, section.model_dump_json(), cache, context.labels)
        key = hashlib.sha256(repr((*parts, context.kind)).encode()).hexdigest()[:16]
        return cls(
            context.pool,
            context.num_classes,
            section,
            cache,
            tuple(path.absolute() for path in context.code_paths),
            context.labels,
            context.kind,
            key,
        )

    def context(self) -> ClassifierContext:
        """The context of a worker, in which nobody interrupts and nobody watches."""
        return ClassifierContext(
            self.pool,
            self.num_classes,
            self.section,
            self.cache,
            self.code_paths,
            labels=self.labels,
            kind=self.kind,
            is_worker=True,
        )

    def factory(self) -> ClassifierFactory:
        """The factory; the last ones stay in memory with their encoders."""
        if self.key not in _FACTORIES:
            while len(_FACTORIES) >= FACTORIES_KEPT:
                _FACTORIES.popitem(last=False)
            _FACTORIES[self.key] = registry.create(self.context())
        _FACTORIES.move_to_end(self.key)
        return _FACTORIES[self.key]


@dataclass(frozen=True, eq=False)
class TrainedRecipe:
    """A trained classifier.

    Attributes:
        recipe: of its factory.
        tensors: what the factory saved of it.
    """

    recipe: FactoryRecipe
    tensors: Tensors

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier, equal to the last bit."""
        return self.recipe.factory().load(self.tensors)


@dataclass(frozen=True, eq=False)
class TrainerRecipe:
    """A trainer.

    Attributes:
        recipe: of its factory.
        problem, seed, described: as the trainer has them.
        apart: rows of the pool from which no model may learn.
    """

    recipe: FactoryRecipe
    problem: Problem
    seed: int
    described: DescribedLabels
    apart: Positions

    @cached_property
    def trainer(self) -> Trainer:
        """The trainer, over the same folder."""
        context = self.recipe.context()
        return Trainer(
            context,
            self.problem,
            self.seed,
            self.described,
            lambda: self.apart,
            factory=self.recipe.factory(),
        )


def spreads(engine: Engine, section: ClassifierSection) -> bool:
    """Whether training and scoring by a classifier are cut into pieces.

    Only of those over an encoder: others take less time than it takes to send them, and the user's
    own may hold anything.
    """
    return engine.spreads and registry.canonical(section.name) in registry.WITH_A_BACKBONE


def _decided(section: ClassifierSection) -> ClassifierSection:
    """The settings in which ``bf16: auto`` is decided: a worker must not decide otherwise."""
    if registry.canonical(section.name) not in _IN_BF16:
        return section
    if section.options.get("bf16", "auto") != "auto":
        return section
    from loopd.learning.classifiers.backbone import bf16_pays, device_of

    options = {**section.options, "bf16": bf16_pays(device_of(section.device))}
    return section.model_copy(update={"options": options})
