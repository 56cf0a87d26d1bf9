"""Owns what a cell of earlier answers says: who answered what; must not know files or columns."""

from __future__ import annotations

from collections.abc import Mapping

from loopd.data.cells import SPAN_KEYS, Unusable, parsed
from loopd.data.source import RawAnswer

LONGEST_NAME = 255
"""Characters of the longest name of an annotator that is taken."""


def answers_of(cell: object) -> tuple[RawAnswer, ...]:
    """The answers of a cell: one that stands alone, or those of an object by annotator."""
    if cell is None or cell == "":
        return ()
    value = cell
    if isinstance(cell, str):
        if not cell.startswith(("{", " ", "\t", "\n")) or not cell.lstrip().startswith("{"):
            return (RawAnswer("", cell),)
        try:
            value = parsed(cell)
        except Unusable as trouble:
            return (RawAnswer("", trouble),)
    if isinstance(value, Mapping) and not value.keys() >= set(SPAN_KEYS):
        return tuple(RawAnswer(_said(name), answer) for name, answer in value.items())
    if isinstance(value, list) and value and all(map(_is_pair, value)):
        return tuple(RawAnswer(_said(name), answer) for name, answer in value)
    return (RawAnswer("", value),)


def _said(name: object) -> str:
    """A name that was said: an empty one is none, and not that of ``pool.annotator``."""
    return str(name) or " "


def _is_pair(value: object) -> bool:
    """Whether this is an entry of what pyarrow makes of a map."""
    return isinstance(value, tuple) and len(value) == 2


def checked_name(annotator: str) -> str:
    """The name of an annotator.

    Raises:
        Unusable: it cannot be one.
    """
    if not annotator.strip() or not annotator.isprintable() or len(annotator) > LONGEST_NAME:
        raise Unusable("the name of the annotator cannot be used")
    return annotator
