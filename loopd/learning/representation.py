"""Owns what strategies may know of a text before any label: its vector, and the labels' names.

Must not compute vectors: each kind of classifier brings its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Vectors


class Rows(Protocol):
    """An array (n, d), or something that gives its rows as one does."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        ...

    def __getitem__(self, rows: Positions, /) -> Vectors:
        """Vectors (k, d) of rows (k,)."""
        ...


class Representation(Protocol):
    """Vectors of length 1 that no label has changed, so that they stay valid for the whole run.

    Near vectors mean texts that are alike: a frozen encoder's states, or the truncated SVD of
    TF-IDF rows.
    """

    @property
    def pool(self) -> Rows:
        """Vectors of the pool in its order, made at the first use; they may lie on disk."""
        ...

    def of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of other texts (k, d) in the same space."""
        ...


def _none() -> None:
    """The representation of a classifier that has none."""


@dataclass(frozen=True)
class Background:
    """What strategies may know without a model.

    Attributes:
        label_names: names of the labels in the order of probability columns; empty if unknown.
        find: gives the representation, or ``None`` where the classifier has none; must be cheap.
    """

    label_names: tuple[str, ...] = ()
    find: Callable[[], Representation | None] = _none

    @property
    def representation(self) -> Representation:
        """The representation.

        Raises:
            ModelError: the classifier has none.
        """
        representation = self.find()
        if representation is None:
            raise ModelError(
                "the strategy needs a representation of the texts, which the classifier has not",
                "use one of loopd's own classifiers, or another strategy",
            )
        return representation
