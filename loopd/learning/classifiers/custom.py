"""Owns how the user's own small-text classifier is called; must not know what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.classifiers.contract import Surroundings
from loopd.learning.dotted import resolve


class CustomFactory:
    """Calls what ``classifier.name`` names as ``target(num_classes=C, **options)``.

    The result is a small-text classifier factory: ``new()`` gives a fresh small-text ``Classifier``
    each time, whose ``predict_proba`` has C columns. The data sets it is given hold the texts
    (``dataset.x`` is an array of ``str``), or, if the factory has a method ``encode(texts)``, rows
    of what that returned for the whole pool; anything that an integer array can index will do.
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
        target = resolve(section.name, surroundings.code_paths)
        try:
            self._made = target(num_classes=surroundings.num_classes, **section.options)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"classifier {section.name} cannot be built: {reason}",
                "it is called with num_classes and classifier.options and returns a factory",
            ) from error
        if not callable(getattr(self._made, "new", None)):
            raise ModelError(f"classifier {section.name} gives no factory: it has no method `new`")

    @cached_property
    def pool_features(self) -> Any:
        """Texts of the pool, or what the factory makes of them."""
        return self.encode(self._around.pool.texts)

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> Any:
        """Texts as an array of objects, or what the factory makes of them."""
        del fingerprint
        encode = getattr(self._made, "encode", None)
        if encode is not None:
            return encode(list(texts))
        array = np.empty(len(texts), dtype=object)
        array[:] = list(texts)
        return array

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
        """The dotted path."""
        self._made.new()
        return f"classifier {self._around.section.name}"
