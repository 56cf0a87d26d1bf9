"""Owns what the learner asks of every kind of classifier; must import no learning library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from loopd.compute.engine import LOCAL, Engine
from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.learning.arrays import Positions, Tensors
from loopd.learning.protocols import Classifier, Features
from loopd.learning.representation import Representation, Rows


def never_interrupted() -> None:
    """The interrupt check of a run that nobody stops."""


def silent(what: str, done: int, total: int) -> None:
    """The progress report that nobody reads."""
    del what, done, total


@dataclass(frozen=True)
class ClassifierContext:
    """What a classifier is built from.

    Attributes:
        pool: the texts to choose from; unsupervised parts (a vocabulary) may be fitted on them.
        num_classes: number of labels, C.
        section: the user's settings.
        cache: folder for what may be thrown away.
        code_paths: folders in which the user's own code is looked for.
        interrupt: called at least every second of a long step; may raise ``Interrupted``.
        progress: called with (what, done, total) during long steps.
        labels: names of the labels, in the order of class numbers.
        kind: kind of problem: ``single_label``, ``multi_label`` or ``spans``.
        engine: does what falls into pieces.
        is_worker: whether this is a worker of such an engine: features of the pool are on disk.
    """

    pool: Pool
    num_classes: int
    section: ClassifierSection
    cache: Path
    code_paths: Sequence[Path] = ()
    interrupt: Callable[[], None] = field(default=never_interrupted)
    progress: Callable[[str, int, int], None] = field(default=silent)
    labels: tuple[str, ...] = ()
    kind: str = "single_label"
    engine: Engine = field(default=LOCAL)
    is_worker: bool = False

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self.kind == "multi_label"


class ClassifierFactory(Protocol):
    """One kind of classifier, ready to be trained on one pool.

    Classifiers it makes are small-text ``Classifier`` objects: ``fit(train_set, weights=None)``,
    ``predict(data_set, return_proba=False)``, ``predict_proba(data_set)`` with C columns, and
    ``embed(data_set, return_proba=False)`` where they can.
    """

    @property
    def pool_features(self) -> Features:
        """Features of the pool, one row for each record in order; computed at the first use."""
        ...

    @property
    def representation(self) -> Representation | None:
        """Vectors that no label changes, ``None`` where this kind has none; cheap, made later."""
        ...

    @property
    def screening(self) -> Rows | None:
        """Features (n, d) of the pool by which a big one is narrowed before this kind scores it.

        ``None`` where scoring everything is cheap; computed at the first use.
        """
        ...

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> Features:
        """Features of other texts; with a fingerprint they may be kept on disk."""
        ...

    def new(self, seed: int) -> Classifier:
        """A fresh, untrained classifier."""
        ...

    def save(self, classifier: Any) -> Tensors | None:  # each kind saves its own
        """The trained classifier as arrays, or ``None`` if this kind cannot be written down."""
        ...

    def load(self, tensors: Tensors) -> Classifier:
        """The trained classifier that ``save`` wrote down, equal to the last bit.

        Raises:
            KeyError, ValueError: the arrays do not fit.
        """
        ...

    def describe(self) -> str:
        """Load whatever can fail and describe the classifier in a few words.

        Raises:
            ModelError: something is missing or cannot be loaded.
        """
        ...


@runtime_checkable
class SaysWhatItDraws(Protocol):
    """A kind of classifier, ours or the user's, that says whether its training draws anything."""

    @property
    def draws_nothing(self) -> bool:
        """Whether it does not: members of an ensemble then differ by ``weights`` alone."""
        ...


@runtime_checkable
class MakesChoosers(Protocol):
    """A kind of classifier that is trained sooner where it has to choose and not to predict."""

    def new_chooser(self, seed: int) -> Classifier:
        """A fresh, untrained one, which once trained chooses as one of ``new`` does."""
        ...


@runtime_checkable
class SaysWhetherItEmbeds(Protocol):
    """A kind of classifier that may have no embeddings; the others have them."""

    @property
    def embeds(self) -> bool:
        """Whether its classifiers have embeddings."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A kind of classifier that knows how long its texts are; what it costs follows from that."""

    def token_counts(self) -> Positions:
        """Tokens (n,) that it reads of each text of the pool; computed at the first call."""
        ...


def draws_nothing(factory: object) -> bool:
    """Whether training is the same for every seed; no, unless the kind says so."""
    return isinstance(factory, SaysWhatItDraws) and bool(factory.draws_nothing)


def embeds(factory: object) -> bool:
    """Whether classifiers have embeddings; yes, unless the kind says otherwise."""
    return not isinstance(factory, SaysWhetherItEmbeds) or bool(factory.embeds)
