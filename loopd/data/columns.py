"""Owns the columns that are read from a data source; must not open anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from loopd.config import DataSection, PoolSection
from loopd.data.formats.contract import Request
from loopd.errors import DataError

SHOWN = 12
"""How many names a message lists before it says how many more there are."""


SENTENCE = 5
"""So many words are seldom the name of a column."""

Names: TypeAlias = "str | tuple[str, ...] | None"
"""A column, several, or none."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read; ``None`` where there is none, several where there are parts."""

    text: str | tuple[str, ...]
    id: str | None = None
    label: Names = None
    answers: Names = None


def require(names: Iterable[str], present: Iterable[str], source: str) -> None:
    """Check that columns are there, and once only.

    Raises:
        DataError: a column is missing or occurs twice.
    """
    columns = list(present)
    for name in names:
        if name not in columns:
            raise missing_column(name, columns, source)
        if columns.count(name) > 1:
            raise DataError(f"{source} has two columns {name!r}", "rename one of them")


def columns_of(section: DataSection, gold_column: Names) -> Columns:
    """The columns that the configuration names; ``gold_column`` replaces the label column."""
    return Columns(section.text, section.id, gold_column or section.label, section.answers)


def request_of(
    section: DataSection,
    columns: Columns,
    *,
    labels: tuple[str, ...] | None,
    kind: str,
    is_test: bool,
) -> Request:
    """What is asked of a file, in the words of the formats."""
    return Request(
        section="test" if is_test else "pool",
        kind=kind,
        labels=labels,
        text=section.text_columns[0],
        id=columns.id,
        label=_several(columns.label),
        answers=() if is_test else _several(columns.answers),
        annotator_column=section.annotator_column,
        verdict_column=section.verdict_column,
        format=section.format,
        parts=section.text_columns if len(section.text_columns) > 1 else (),
        show=tuple(section.show) if isinstance(section, PoolSection) else (),
    )


def _several(names: Names) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else names


def missing_column(name: str, present: Iterable[str], source: str) -> DataError:
    """The error for a column that is not there, with those that are and the nearest spelling."""
    names = list(present)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {match[0]!r}?" if match else f"write one of these where {name!r} is"
    if not match and any(len(present.split()) >= SENTENCE for present in names):
        hint = "if its first line is no line of names, write one before it"
    return DataError(f"{source} has no column {name!r}; it has {listing(names)}", hint)


def listing(names: Iterable[str]) -> str:
    """Names in quotes for a message, the first :data:`SHOWN` of them."""
    shown = [repr(name[:40]) for name in names]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more if shown else "no columns"
