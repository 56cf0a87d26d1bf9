"""Owns how character spans become tags of atoms and come back; must not know tokens or models.

An **atom** is a piece of text that carries one tag: a word (letters and digits with their marks),
or one grapheme of anything else (a punctuation mark, an emoji with its joiners and skin tone, a
character of a script that writes no spaces). White space and invisible characters between atoms
belong to none. A tokenizer sees each atom by itself (``tokens.py``), so that no sub-word ever lies
across the border of two atoms, and what it drops or does not know still has its atom.

Why not the offsets of the tokenizer's own tokens: a span whose border lies inside a token, in text
that the tokenizer drops, or between two characters that it merges would come back changed, each
tokenizer in its own way. Atoms depend on the text alone.

What comes back: **every** legal span, to the character. Where a border cuts an atom, the atom is
split there (:func:`refined`); where it lies in white space or invisible characters, these become
an atom; so each span begins and ends with an atom, and B tags keep neighbours of one label apart.
A model that predicts has no spans to split at and tags whole atoms: what it finds begins and ends
at the borders of words, punctuation marks and emoji, as annotators select.

Legal are spans that are not empty, lie in the text, have one of the labels and do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import regex  # type: ignore[import-untyped]
from numpy.typing import NDArray

from loopd.errors import DataError
from loopd.records import Span

Borders = NDArray[np.int32]
"""(k, 2) first character of each atom and the one after its last, in order, none overlapping."""

Tags = NDArray[np.int64]
"""(k,) tag of each atom: 0 outside, ``1 + 2c`` the first of a span of label c, ``2 + 2c`` more."""

OUTSIDE = 0

VERSION = 2
"""Raised whenever the same text begins to have other atoms."""

SHOWN = 40
"""Characters of a span that a message shows."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]\p{{M}}*"
_INVISIBLE = r"[\s\p{Z}\p{Cc}\p{Cf}]"
_BREAK = r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]"
# A grapheme may begin with white space, where a mark sits on it: never on a tab or a line break.
# The group is what belongs to no atom.
_PIECE = regex.compile(
    rf"({_INVISIBLE}+(?!\p{{M}})|{_BREAK}+)|{_LETTER}(?:\p{{Cf}}*{_LETTER})*|\X", regex.V1
)
_BLANK = regex.compile(rf"{_INVISIBLE}*", regex.V1)


def atoms(text: str) -> Borders:
    """The atoms of a text (k, 2).

    Source: graphemes are those of Unicode Standard Annex 29, as the package ``regex`` has them.
    """
    spans = [match.span() for match in _PIECE.finditer(text) if match.lastindex is None]
    return np.array(spans, dtype=np.int32).reshape(-1, 2)


def refined(borders: Borders, spans: Iterable[Span]) -> Borders:
    """Atoms so that each span begins and ends with one: the same ones where it did already."""
    cuts = sorted({border for span in spans for border in (span.start, span.end)})
    pieces = [piece for start, end in borders.tolist() for piece in _split(start, end, cuts)]
    for span in spans:
        inside = [piece for piece in pieces if span.start <= piece[0] and piece[1] <= span.end]
        first, last = (inside[0][0], inside[-1][1]) if inside else (span.end, span.end)
        around = [(span.start, first), (last, span.end)]
        pieces = sorted([*pieces, *(piece for piece in around if piece[0] < piece[1])])
    return np.array(pieces, dtype=np.int32).reshape(-1, 2)


def tagged(borders: Borders, spans: Iterable[Span], labels: Sequence[str]) -> Tags:
    """The tag of each atom (k,).

    Args:
        borders: atoms of the text, which may end before it does where a model does not see the
            rest: a span is then tagged as far as it is seen.
        spans: legal ones.
        labels: label names in the order of their numbers.
    """
    tags = np.zeros(len(borders), dtype=np.int64)
    number = {label: index for index, label in enumerate(labels)}
    for span in spans:
        inside = np.flatnonzero((borders[:, 1] > span.start) & (borders[:, 0] < span.end))
        tags[inside] = 2 + 2 * number[span.label]
        tags[inside[:1]] -= 1
    return tags


def spans_of(borders: Borders, tags: Tags, labels: Sequence[str]) -> tuple[Span, ...]:
    """The spans that the tags describe, by their start.

    An inside tag that continues no span of its label begins one, as in ``conlleval``.
    """
    spans: list[Span] = []
    before = OUTSIDE
    for (start, end), tag in zip(borders.tolist(), tags.tolist(), strict=True):
        if tag != OUTSIDE:
            label = labels[(tag - 1) // 2]
            if tag % 2 == 0 and before in (tag, tag - 1):
                spans[-1] = Span(spans[-1].start, end, label)
            else:
                spans.append(Span(start, end, label))
        before = tag
    return tuple(spans)


def checked(
    text: str, spans: Iterable[tuple[int, int, str]], labels: Sequence[str]
) -> tuple[Span, ...]:
    """The spans by their start.

    Args:
        text: whose characters they count.
        spans: (start, end, label) each, in any order.
        labels: names that spans may have.

    Raises:
        DataError: one is empty, lies outside the text, has an unknown label, or two overlap.
    """
    in_order = sorted(Span(*span) for span in spans)
    for span in in_order:
        if not 0 <= span.start < span.end <= len(text):
            raise DataError(
                f"span {span.start}-{span.end} ({span.label}) is empty or outside a text of "
                f"{len(text)} characters",
                "spans count characters from 0; the end is the one after the last",
            )
        if span.label not in labels:
            raise DataError(f"{_named(text, span)} has a label outside the configuration")
    for one, other in pairwise(in_order):
        if other.start < one.end:
            raise DataError(
                f"spans overlap: {_named(text, one)} and {_named(text, other)}",
                "a character can be in one span only: keep one of the two",
            )
    return tuple(in_order)


def trimmed(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans without white space and invisible characters at their borders.

    That is what can be learned: one that holds nothing else is left out.
    """
    kept = []
    for start, end, label in spans:
        first = start + _BLANK.match(text[start:end]).end()
        last = end - _BLANK.match(text[start:end][::-1]).end()
        if first < last:
            kept.append(Span(first, last, label))
    return tuple(kept)


def _split(start: int, end: int, cuts: Sequence[int]) -> Iterable[tuple[int, int]]:
    return pairwise([start, *(cut for cut in cuts if start < cut < end), end])


def _named(text: str, span: Span) -> str:
    piece = text[span.start : span.end]
    shown = piece if len(piece) <= SHOWN else piece[: SHOWN - 1] + "…"
    return f"{shown!r} ({span.label}, {span.start}-{span.end})"
