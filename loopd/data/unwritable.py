"""Owns which cells a file cannot hold, and which a spreadsheet takes for formulas; counts them.

Must not write anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TEXT = (".csv", ".tsv")
"""Endings of files of which a spreadsheet guesses what their cells are."""

HALVES = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs: bytes of a file that are no text."""

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML cannot hold."""

NOT_IN_EXCEL = re.compile(f"{CONTROLS.pattern}|{HALVES.pattern}")

FORMULA_SIGNS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""How cells begin that spreadsheets take for formulas; some take the wide signs too."""

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
"""What begins like a formula and is a mere number."""


@dataclass(slots=True)
class Tally:
    """Cells of one kind.

    Attributes:
        count: how many.
        row: number of the first row that holds one, from 1; 0 is the heading, -1 is none.
    """

    count: int = 0
    row: int = -1

    def add(self, row: int, cells: int) -> None:
        """Count cells of a row."""
        if cells and not self.count:
            self.row = row
        self.count += cells


@dataclass(slots=True)
class Written:
    """What became of a table.

    Attributes:
        rows: that were written.
        formulas: cells of CSV and TSV that a spreadsheet would take for formulas.
        damaged: cells with signs that the format cannot hold, written as U+FFFD.
    """

    rows: int = 0
    formulas: Tally = field(default_factory=Tally)
    damaged: Tally = field(default_factory=Tally)


def counted(
    rows: Iterable[Sequence[object]], heading: Sequence[object], written: Written, suffix: str
) -> Iterator[Sequence[object]]:
    """The rows, counted as they pass.

    Args:
        rows: cells.
        heading: names of the columns.
        written: is filled.
        suffix: ending of the file.
    """
    _count(heading, written, suffix)
    for row in rows:
        written.rows += 1
        _count(row, written, suffix)
        yield row


def disarmed(cell: object) -> object:
    """A cell that no spreadsheet computes: behind an apostrophe where one would."""
    return f"'{cell}" if is_formula(cell) else cell


def is_formula(cell: object) -> bool:
    """Whether a spreadsheet would compute a cell of text instead of showing it."""
    return isinstance(cell, str) and cell[:1] in FORMULA_SIGNS and not NUMBER.fullmatch(cell)


def _count(row: Sequence[object], written: Written, suffix: str) -> None:
    if suffix in TEXT:
        written.formulas.add(written.rows, sum(map(is_formula, row)))
    signs = NOT_IN_EXCEL if suffix == ".xlsx" else HALVES
    written.damaged.add(written.rows, sum(any(map(signs.search, _texts(cell))) for cell in row))


def _texts(cell: object) -> Iterator[str]:
    """The texts in a cell that may hold any sign."""
    if isinstance(cell, str):
        if not (cell.isascii() and cell.isprintable()):
            yield cell
    elif isinstance(cell, Mapping):
        for key, value in cell.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(cell, (list, tuple)):
        for value in cell:
            yield from _texts(value)
