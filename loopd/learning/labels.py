"""Owns the labels of many records as one array; must not know their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from loopd.learning.arrays import Positions

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Index: TypeAlias = "int | slice | list[int] | NDArray[np.integer[Any]] | NDArray[np.bool_]"
"""What picks rows, by integers of any width."""


class SparseLabels(Protocol):
    """Several labels for each record: as much of scipy's matrix (n, C) of 0 and 1 as is used."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, C)."""
        ...

    def __getitem__(self, index: Index, /) -> SparseLabels: ...

    def copy(self) -> SparseLabels:
        """A matrix of its own."""
        ...

    def toarray(self) -> Positions:
        """The dense matrix (n, C)."""
        ...

    def sum(self, axis: int) -> Positions:
        """Sums over the records or over the labels."""
        ...


Labels: TypeAlias = "NDArray[Any] | SparseLabels"  # NDArray of class numbers, or of tuples of spans
"""Labels of n records: class numbers (n,), a sparse matrix (n, C), or tuples of spans (n,)."""


def several(y: Labels) -> TypeIs[SparseLabels]:
    """Whether records may have several labels: small-text then keeps them in a sparse matrix."""
    return bool(issparse(y))
