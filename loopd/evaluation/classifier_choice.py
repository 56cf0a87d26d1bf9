"""Owns which of two classifiers is better by their answers on the same texts; must not train any.

One of them is dear and the other cheap. The dear one has to be ahead to be worth its price, and it
is taken to be so until figures say otherwise: where it is ahead it is so by a tenth, and where it
is not it costs time alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 30
"""Texts below which a comparison changes nothing: at 20 a lead of .14 is one of three texts."""

TOLERATED = 0.05
"""A lead in accuracy, with its standard error, that is not worth the dear classifier's price: where
both are level the cheap one so takes over by 150 labels in half of the runs, and where the dear one
is a twentieth ahead in 3 % of them."""

IN_A_ROW = 2
"""Comparisons that must say so before the cheap classifier takes over, unless it is far ahead."""

GROWTH = 1.5
"""A comparison trains the dear classifier some times over: it comes when labels grew by a half."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Two classifiers on the same texts, none of which either had learned from.

    Attributes:
        texts: how many, at least 1.
        dear_only: of these only the dear classifier had right.
        cheap_only: only the cheap one.
    """

    texts: int
    dear_only: int
    cheap_only: int

    @property
    def lead(self) -> float:
        """Of the dear classifier in accuracy."""
        return (self.dear_only - self.cheap_only) / self.texts

    @property
    def error(self) -> float:
        """Standard error of the lead if there is none (McNemar 1947), one text added."""
        return math.sqrt(self.dear_only + self.cheap_only + 1) / self.texts

    @property
    def is_level(self) -> bool:
        """Whether the lead, with its standard error, is no more than what is tolerated."""
        return self.texts >= LEAST and self.lead + self.error < TOLERATED

    @property
    def is_behind(self) -> bool:
        """Whether the dear classifier is behind by more than twice the standard error."""
        return self.texts >= LEAST and self.lead + 2 * self.error < 0

    @property
    def is_ahead(self) -> bool:
        """Whether the dear classifier is ahead by more than the standard error, and worth it."""
        return self.texts >= LEAST and self.lead > self.error and not self.is_level


def better(current: str, comparisons: Sequence[PairedCounts], *, dear: str, cheap: str) -> str:
    """The classifier of the next round: the one in use, unless the figures are against it.

    Args:
        current: the one in use.
        comparisons: so far, oldest first.
        dear, cheap: names of both.
    """
    last = comparisons[-IN_A_ROW:]
    if current == dear:
        is_level = len(last) == IN_A_ROW and all(one.is_level for one in last)
        is_behind = bool(last) and last[-1].is_behind
        return cheap if is_level or is_behind else dear
    return dear if last and last[-1].is_ahead else cheap


def is_due(labels: int, before: int) -> bool:
    """Whether there are labels enough for a comparison, and enough more than at the last one."""
    return labels >= max(LEAST, GROWTH * before)
