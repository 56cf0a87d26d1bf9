"""Owns labels that are written as zeros and ones, in a vector or in columns; opens nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from loopd.data.cells import Unusable, plain
from loopd.data.columns import listing
from loopd.data.formats.contract import Request, values
from loopd.data.formats.literals import literal
from loopd.data.labels import Blank, Labels
from loopd.data.source import Source
from loopd.errors import DataError

_BITS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "1.0", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "0.0", "false", "False", "FALSE"), False),
}

_UNKNOWN = frozenset(("", "-1", "-1.0"))


def is_bits(source: Source, columns: Sequence[str], request: Request) -> bool:
    """Whether columns hold zeros and ones only, and labels are called otherwise."""
    cells = [plain(cell).strip() for column in columns for cell in values(source, column)]
    shown = {cell for cell in cells if cell not in _UNKNOWN}
    return bool(shown) and shown <= _BITS.keys() and not _names_labels(shown, request)


def vectors(source: Source, column: str, request: Request) -> tuple[list[object], ...]:
    """The vectors of a column, of as many zeros and ones as the task has labels; else nothing."""
    cells = [literal(cell) for cell in values(source, column)]
    lists = tuple(list(cell) for cell in cells if isinstance(cell, (list, tuple)))
    if not lists or len(lists) < len(cells) or request.kind == "spans":
        return ()
    bits = {plain(bit) for vector in lists for bit in vector}
    fits = all(len(vector) == len(request.labels or ()) for vector in lists)
    plausible = fits and bits <= _BITS.keys() | _UNKNOWN
    return lists if plausible and not _names_labels(bits, request) else ()


def _names_labels(bits: Iterable[str], request: Request) -> bool:
    """Whether any of some zeros and ones is a label as well, however a program spells it."""
    labels = Labels(request.labels or ())
    try:
        return any(labels.get(bit) is not None for bit in bits)
    except Unusable:  # it may even be two
        return True


def is_sure(lists: Sequence[Sequence[object]]) -> bool:
    """Whether these can be no lists of class numbers: one of them repeats a number."""
    return any(len({plain(bit) for bit in vector}) < len(vector) for vector in lists)


def labels_of_columns(columns: Sequence[str], request: Request) -> dict[str, str]:
    """The label of each column, which is its name, or ends it.

    Raises:
        DataError: a column is that of no label, or a label has none or two.
    """
    labels = request.labels or tuple(columns)
    labels_by_column = {column: _label(column, labels) for column in columns}
    strangers = [column for column, label in labels_by_column.items() if label is None]
    missing = [label for label in labels if label not in labels_by_column.values()]
    if strangers or missing or len(set(labels_by_column.values())) < len(columns):
        raise DataError(
            f"columns {listing(columns)} of zeros and ones are not one for each label: "
            f"{listing(labels)}",
            "name the columns as the labels are called, one for each",
        )
    return {column: label for column, label in labels_by_column.items() if label is not None}


def _label(column: str, labels: Sequence[str]) -> str | None:
    if column in labels:
        return column
    ends = [label for label in labels if re.search(rf"[_\-.: ]{re.escape(label)}$", column)]
    return ends[0] if len(ends) == 1 else None


def of_bits(names: Sequence[str], bits: Sequence[object], request: Request) -> object:
    """The cell that zeros and ones say: a label, a list of them, ``None`` where one is missing."""
    texts = [plain(bit).strip() for bit in bits]
    if len(names) != len(texts):
        return Unusable(f"{len(texts)} numbers for {len(names)} labels")
    if any(text in _UNKNOWN for text in texts):
        return Blank(" ".join(texts)) if any(texts) else None
    wrong = next((text for text in texts if text not in _BITS), None)
    if wrong is not None:
        return Unusable(f"{wrong[:40]!r} is neither 0 nor 1")
    selected = [name for name, text in zip(names, texts, strict=True) if _BITS[text]]
    if request.kind == "multi_label":
        return selected
    if len(selected) > 1:
        return Unusable(f"{len(selected)} labels where the task takes one: {listing(selected)}")
    return selected[0] if selected else Blank(" ".join(texts))
