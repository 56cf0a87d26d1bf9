"""Owns how the user's own small-text classifier is called; must not know what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.data.pool import Pool
from loopd.errors import LoopdError, ModelError
from loopd.learning.classifiers.contract import Surroundings
from loopd.learning.dotted import resolve
from loopd.learning.foreign import calling


class CustomFactory:
    """Calls what ``classifier.name`` names as ``target(num_classes=C, **options)``.

    Small-text's own classes are given texts by ``small_text_classes``. Of others:

    The result is a small-text classifier factory: ``new()`` gives a fresh small-text ``Classifier``
    each time, whose ``predict_proba`` has C columns. The data sets it is given hold the texts
    (``dataset.x`` is an array of ``str``), or, if the factory has a method ``encode(texts)``, rows
    of what that returned for the whole pool; anything that an integer array can index will do.
    A method ``represent(texts)`` that gives a dense matrix (n, d) serves strategies that need to
    know texts before there are labels; without it a dense matrix of ``encode`` does.
    A method ``check()``, if there is one, is called early; it may raise ``ModelError``.
    ``draws_nothing = True`` says that members of an ensemble must differ by their sample weights.
    Python's, numpy's and torch's global generators are seeded before ``new().fit(...)``.

    Such a model is not kept on disk: after a restart it is trained again.

    Args:
        surroundings: settings and pool.

    Raises:
        ModelError: the path is broken or the factory refuses its options.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        section = surroundings.section
        target = _callable(resolve(section.name, surroundings.code_paths), surroundings)
        try:
            self._made = target(num_classes=surroundings.num_classes, **section.options)
        except (LoopdError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit() too
            reason = " ".join(str(error).split())
            raise ModelError(
                f"classifier {section.name} cannot be built: {reason}",
                "it is called with num_classes and classifier.options and returns a factory",
            ) from error
        if not callable(getattr(self._made, "new", None)):
            raise ModelError(f"classifier {section.name} gives no factory: it has no method `new`")

    @property
    def draws_nothing(self) -> bool:
        """Whether training needs other sample weights to come out differently."""
        return bool(getattr(self._made, "draws_nothing", False))

    @property
    def embeds(self) -> bool:
        """Whether its classifiers have embeddings."""
        return hasattr(self._made.new(), "embed")

    @cached_property
    def pool_features(self) -> Any:
        """Texts of the pool, or what the factory makes of them."""
        return self.encode(self._around.pool.texts)

    @property
    def screening(self) -> None:
        """Nothing: its features are its own."""
        return None

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> Any:
        """Texts as an array of objects, or what the factory makes of them."""
        del fingerprint
        encode = getattr(self._made, "encode", None)
        if encode is not None:
            return encode(list(texts))
        array = np.empty(len(texts), dtype=object)
        array[:] = list(texts)
        return array

    @cached_property
    def representation(self) -> CustomRepresentation | None:
        """What the factory's ``represent`` gives, else ``encode`` where that is a dense matrix."""
        represent = getattr(self._made, "represent", None)
        if represent is None and _is_dense(self.pool_features):
            represent = self._made.encode
        if represent is None:
            return None
        return CustomRepresentation(self._around.section.name, represent, self._around.pool)

    def new(self, seed: int) -> Any:
        """A fresh classifier; the learner has seeded the global generators."""
        del seed
        return self._made.new()

    def save(self, classifier: Any) -> None:
        """Nothing: its form on disk is not known."""
        del classifier

    def load(self, tensors: Mapping[str, NDArray[np.generic]]) -> Any:
        """Never: nothing is saved."""
        del tensors
        raise ValueError("the user's own classifiers are not kept on disk")

    def describe(self) -> str:
        """The dotted path.

        Raises:
            ModelError: it cannot do what the task needs, or says itself that something is missing.
        """
        check = getattr(self._made, "check", None)
        if callable(check):
            check()
        made = self._made.new()
        wanted = ("token_proba", "predict", "predict_scored")
        lacking = [name for name in wanted if not hasattr(made, name)]
        if self._around.kind == "spans" and lacking:
            raise ModelError(
                f"classifier {self._around.section.name} cannot mark spans: it has no "
                f"{', '.join(lacking)}",
                "use `transformer`",
            )
        return f"classifier {self._around.section.name}"


def _callable(target: Any, surroundings: Surroundings) -> Callable[..., Any]:
    """What is called with ``num_classes`` and the options."""
    if str(getattr(target, "__module__", "")).partition(".")[0] != "small_text":
        called: Callable[..., Any] = target
        return called
    from loopd.learning.classifiers.small_text_classes import adapted

    return adapted(target, surroundings)


@dataclass(frozen=True)
class CustomRepresentation:
    """Vectors of the user's own factory, scaled to length 1.

    Attributes:
        name: of the classifier, for messages.
        represent: gives the vectors of texts.
        texts: the pool.
    """

    name: str
    represent: Callable[[list[str]], Any]
    texts: Pool

    @cached_property
    def pool(self) -> NDArray[np.float32]:
        """Vectors of the pool (n, d)."""
        return self.of(self.texts.texts)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of other texts (k, d).

        Raises:
            ModelError: the factory's method fails or gives no dense matrix with one row for each.
        """
        with calling(f"representing texts with {self.name}"):
            found = self.represent(list(texts))
        if not _is_dense(found) or len(found) != len(texts) or not np.isfinite(found).all():
            raise ModelError(
                f"classifier {self.name} gives no representation of the texts",
                "its method `represent` must return a dense matrix of numbers, a row for each text",
            )
        vectors = np.asarray(found, dtype=np.float32)
        scaled: NDArray[np.float32] = vectors / np.maximum(
            np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
        )
        return scaled


def _is_dense(found: Any) -> bool:
    return isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype.kind == "f"
