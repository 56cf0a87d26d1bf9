"""Owns how tables become data frames: of pandas where it is installed, else of pyarrow.

Both are imported when a frame is made. Must not know what a table holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from loopd.data.outgoing import Column, arrow_table, distinct_names

EXACT = 2**53
"""Beyond it floats leave whole numbers out."""

Frame: TypeAlias = Any
"""A ``pandas.DataFrame``, or a ``pyarrow.Table`` where pandas is not installed.

``Any``: neither package is there for sure, or has types.
"""


def frame(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Frame:
    """A data frame; of two columns of one name the second gets a number behind it."""
    listed = [tuple(row) for row in rows]
    try:
        import pandas as pd
    except ImportError:
        return arrow_table(columns, listed)
    cells = list(zip(*listed, strict=True)) or [() for _ in columns]
    names = distinct_names(columns)
    series = {
        name: pd.Series(list(values), dtype=_dtype(values))
        for name, values in zip(names, cells, strict=True)
    }
    return pd.DataFrame(series)


def _dtype(values: Sequence[object]) -> str | None:
    """How pandas is to keep a column, ``None`` for its own choice, which may round whole numbers.

    It makes floats of whole numbers beside nothing, or beside floats.
    """
    kinds = {type(value) for value in values}
    if int not in kinds or not kinds <= {int, float, type(None)}:
        return None
    numbers = [value for value in values if isinstance(value, int)]
    if kinds == {int, type(None)}:
        return "Int64" if all(-(2**63) <= number < 2**63 for number in numbers) else "object"
    rounded = float in kinds and any(abs(number) > EXACT for number in numbers)
    return "object" if rounded else None
