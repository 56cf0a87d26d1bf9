"""Owns how much of its texts an encoder does not read; must not train or encode anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from loopd.config import ClassifierSection
from loopd.learning.classifiers.contract import ClassifierContext, ClassifierFactory
from loopd.learning.classifiers.registry import WITH_A_BACKBONE, canonical
from loopd.learning.features.windows import CUT, MEAN

if TYPE_CHECKING:
    from loopd.learning.classifiers.backbone import Backbone

SAMPLE = 2000
"""Texts that are looked at, drawn at random."""

CHARACTERS = 10**7
"""Characters of them all together, so that books do not keep a check waiting."""

AT_ONCE = 100


@runtime_checkable
class HasBackbone(Protocol):
    """A kind of classifier with a pretrained encoder."""

    @property
    def backbone(self) -> Backbone:
        """The encoder."""
        ...


@dataclass(frozen=True, slots=True)
class Unread:
    """What an encoder does not read of some texts.

    Attributes:
        texts: how many were looked at.
        longer: share of them that are longer than it reads at once.
        tokens: share of all their tokens that it never sees.
        most: tokens that it reads at once, special ones included.
        windows: ``classifier.windows``.
    """

    texts: int
    longer: float
    tokens: float
    most: int
    windows: str

    @classmethod
    def of(cls, lengths: Sequence[int], room: int, most: int, windows: str) -> Unread:
        """From the texts' tokens without special ones, of which ``room`` are read at once."""
        counts = np.asarray(lengths, dtype=np.int64)
        left = np.maximum(0, counts - room)
        longer = float((left > 0).mean()) if len(counts) else 0.0
        unread = 0.0 if windows == MEAN else float(left.sum() / max(1, counts.sum()))
        return cls(len(counts), longer, unread, most, windows)

    def __str__(self) -> str:
        if not self.longer:
            return f"no text of {self.texts} is longer than the {self.most} tokens that are read"
        longer = f"{self.longer:.0%} of {self.texts} texts are longer than {self.most} tokens"
        if self.windows == MEAN:
            return f"{longer} and are read in windows"
        what = "" if self.windows == CUT else ", of their middles,"
        return f"{longer}: {self.tokens:.0%} of all tokens{what} are never read"


def of_pool(context: ClassifierContext, factory: ClassifierFactory) -> Unread | None:
    """What a classifier does not read of its pool; ``None`` where it has no encoder.

    Raises:
        ModelError: the encoder cannot be loaded.
        Interrupted: a stop was asked for.
    """
    backbone = _backbone(context.section, factory)
    if backbone is None:
        return None
    lengths: list[int] = []
    for texts in _sample(context.pool.texts):
        context.interrupt()
        lengths += map(len, backbone.contents(texts))
    return Unread.of(lengths, backbone.room, backbone.max_tokens, context.section.windows)


def _backbone(section: ClassifierSection, factory: ClassifierFactory) -> Backbone | None:
    if isinstance(factory, HasBackbone):
        return factory.backbone
    if canonical(section.name) not in WITH_A_BACKBONE:
        return None
    from loopd.learning.classifiers.backbone import Backbone

    return Backbone(section)


def _sample(texts: Sequence[str]) -> Iterator[list[str]]:
    """Some of the texts in random order, a few at a time."""
    order = np.random.default_rng(0).permutation(len(texts))[:SAMPLE].tolist()
    read = {row: texts[row] for row in sorted(order)}  # in order, as they may lie on disk
    ends = np.cumsum([len(read[row]) for row in order])
    taken = order[: max(1, int(np.searchsorted(ends, CHARACTERS, side="right")))]
    for start in range(0, len(taken), AT_ONCE):
        yield [read[row] for row in taken[start : start + AT_ONCE]]
