"""Owns how the user's own small-text classifier is called; must not know what it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn, Protocol, TypeGuard, cast, runtime_checkable

import numpy as np

from loopd.data.pool import Pool
from loopd.errors import LoopdError, ModelError
from loopd.learning.arrays import Floats, Tensors, Vectors
from loopd.learning.classifiers.contract import ClassifierContext, draws_nothing
from loopd.learning.dotted import resolve
from loopd.learning.foreign import calling
from loopd.learning.protocols import Classifier, Embeds, Features

NEEDED_FOR_SPANS = ("token_proba", "predict", "predict_scored")
"""Methods of a classifier that marks spans."""


@runtime_checkable
class MakesClassifiers(Protocol):
    """What the user's path must give when it is called."""

    def new(self) -> Classifier:
        """A fresh classifier."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A factory with features of its own."""

    def encode(self, texts: list[str]) -> Features:
        """The features of texts."""
        ...


@runtime_checkable
class Represents(Protocol):
    """A factory that knows texts before there are labels."""

    def represent(self, texts: list[str]) -> object:
        """A dense matrix (n, d), which is checked."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A factory that can tell early what is missing."""

    def check(self) -> object:
        """Nothing, or a ``ModelError``."""
        ...


class CustomFactory:
    """Calls what ``classifier.name`` names as ``target(num_classes=C, **options)``.

    Small-text's own classes get texts from ``small_text_classes``. Of others:

    The result is a small-text classifier factory: ``new()`` gives a fresh small-text ``Classifier``
    each time, whose ``predict_proba`` has C columns. Its data sets hold the texts
    (``dataset.x`` is an array of ``str``), or, if the factory has a method ``encode(texts)``, rows
    of what that returned for the whole pool; anything that an integer array can index will do.
    A method ``represent(texts)`` that gives a dense matrix (n, d) serves strategies that need to
    know texts before there are labels; without it a dense matrix of ``encode`` does.
    A method ``check()``, if there is one, is called early; it may raise ``ModelError``.
    ``draws_nothing = True`` says that members of an ensemble must differ by their sample weights.
    Python's, numpy's and torch's global generators are seeded before ``new().fit(...)``.

    Such a model is not kept on disk: after a restart it is trained again.

    Args:
        context: settings and pool.

    Raises:
        ModelError: the path is broken or the factory refuses its options.
    """

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        section = context.section
        target = _callable(resolve(section.name, context.code_paths), context)
        try:
            built: object = target(num_classes=context.num_classes, **section.options)
        except (LoopdError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit() too
            reason = " ".join(str(error).split())
            raise ModelError(
                f"classifier {section.name} cannot be built: {reason}",
                "it is called with num_classes and classifier.options and returns a factory",
            ) from error
        if not isinstance(built, MakesClassifiers) or not callable(built.new):
            raise ModelError(f"classifier {section.name} gives no factory: it has no method `new`")
        self._factory = built

    @property
    def draws_nothing(self) -> bool:
        """Whether training needs other sample weights to come out differently."""
        return draws_nothing(self._factory)

    @property
    def embeds(self) -> bool:
        """Whether its classifiers have embeddings."""
        return isinstance(self._factory.new(), Embeds)

    @cached_property
    def pool_features(self) -> Features:
        """Texts of the pool, or what the factory makes of them."""
        return self.encode(self._context.pool.texts)

    @property
    def screening(self) -> None:
        """Nothing: its features are its own."""
        return None

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> Features:
        """Texts as an array of objects, or what the factory makes of them."""
        del fingerprint
        if isinstance(self._factory, Encodes):
            return self._factory.encode(list(texts))
        array = np.empty(len(texts), dtype=object)
        array[:] = list(texts)
        return array

    @cached_property
    def representation(self) -> CustomRepresentation | None:
        """What the factory's ``represent`` gives, else ``encode`` where that is a dense matrix."""
        factory = self._factory
        represent: Callable[[list[str]], object] | None = None
        if isinstance(factory, Represents):
            represent = factory.represent
        elif isinstance(factory, Encodes) and _is_dense(self.pool_features):
            represent = factory.encode
        if represent is None:
            return None
        return CustomRepresentation(self._context.section.name, represent, self._context.pool)

    def new(self, seed: int) -> Classifier:
        """A fresh classifier; the learner has seeded the global generators."""
        del seed
        return self._factory.new()

    def save(self, classifier: Classifier) -> None:
        """Nothing: its form on disk is not known."""
        del classifier

    def load(self, tensors: Tensors) -> NoReturn:
        """Never: nothing is saved."""
        del tensors
        raise ValueError("the user's own classifiers are not kept on disk")

    def describe(self) -> str:
        """The dotted path.

        Raises:
            ModelError: it cannot do what the task needs, or says itself that something is missing.
        """
        if isinstance(self._factory, Checks) and callable(self._factory.check):
            self._factory.check()
        classifier = self._factory.new()
        lacking = [name for name in NEEDED_FOR_SPANS if not hasattr(classifier, name)]
        if self._context.kind == "spans" and lacking:
            raise ModelError(
                f"classifier {self._context.section.name} cannot mark spans: it has no "
                f"{', '.join(lacking)}",
                "use `transformer`",
            )
        return f"classifier {self._context.section.name}"


def _callable(target: object, context: ClassifierContext) -> Callable[..., object]:
    """What is called with ``num_classes`` and the options."""
    module = inspect.getmodule(target)
    if module is None or module.__name__.partition(".")[0] != "small_text":
        return cast("Callable[..., object]", target)  # the caller explains where it is none
    from loopd.learning.classifiers.small_text_classes import adapted

    return adapted(target, context)


@dataclass(frozen=True)
class CustomRepresentation:
    """Vectors of the user's own factory, scaled to length 1.

    Attributes:
        name: of the classifier, for messages.
        represent: gives the vectors of texts.
        texts: the pool.
    """

    name: str
    represent: Callable[[list[str]], object]
    texts: Pool

    @cached_property
    def pool(self) -> Vectors:
        """Vectors of the pool (n, d)."""
        return self.of(self.texts.texts)

    def of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of other texts (k, d).

        Raises:
            ModelError: the factory's method fails or gives no dense matrix with one row for each.
        """
        with calling(f"representing texts with {self.name}"):
            matrix = self.represent(list(texts))
        if not _is_dense(matrix) or len(matrix) != len(texts) or not np.isfinite(matrix).all():
            raise ModelError(
                f"classifier {self.name} gives no representation of the texts",
                "its method `represent` must return a dense matrix of numbers, a row for each text",
            )
        vectors = np.asarray(matrix, dtype=np.float32)
        scaled: Vectors = vectors / np.maximum(
            np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
        )
        return scaled


def _is_dense(features: object) -> TypeGuard[Floats]:
    return isinstance(features, np.ndarray) and features.ndim == 2 and features.dtype.kind == "f"
