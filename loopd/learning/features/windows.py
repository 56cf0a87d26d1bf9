"""Owns how a text longer than an encoder reads becomes windows; must not know any tokenizer.

A text that is read whole is kept as all of its windows, one after the other, special tokens
included. They are as even as whole numbers allow, so that number and borders of the windows follow
from the text's length alone, and the mean of their vectors is near that over the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions

CUT, MEAN, HEAD_TAIL = "none", "mean", "head_tail"
"""What ``classifier.windows`` may be: the beginning alone, everything, beginning and end."""

Ids = Sequence[int]


@dataclass(frozen=True)
class Specials:
    """Special tokens that an encoder has around its text.

    Attributes:
        before: in front of the text.
        after: behind it.
    """

    before: Ids
    after: Ids

    @classmethod
    def between(cls, whole: Ids, bare: Ids) -> Specials:
        """Those that ``whole`` has around ``bare``; none where it lacks that."""
        for start in range(len(whole) - len(bare) + 1):
            if list(whole[start : start + len(bare)]) == list(bare):
                return cls(whole[:start], whole[start + len(bare) :])
        return cls([], [])

    def around(self, content: Ids) -> list[int]:
        """The tokens of a window."""
        return [*self.before, *content, *self.after]

    def room(self, most: int) -> int:
        """Tokens of a text that fit in a window of ``most``; at least 1."""
        return max(1, most - len(self.before) - len(self.after))


def all_windows(content: Ids, specials: Specials, most: int) -> list[int]:
    """Every window of a text, one after the other.

    Args:
        content: tokens of the text without special ones.
        specials: around each window.
        most: tokens of a window, special ones included.
    """
    count = windows_of(len(content), specials.room(most))
    parts = np.array_split(np.asarray(content, dtype=np.int64), count)
    return [token for part in parts for token in specials.around(part.tolist())]


def head_and_tail(content: Ids, specials: Specials, most: int) -> list[int]:
    """One window with the first and the last tokens of a text, half of each.

    Source: Sun et al. 2019, "How to fine-tune BERT for text classification?" (1905.05583).
    """
    room = specials.room(most)
    if len(content) <= room:
        return specials.around(content)
    tail = room // 2
    return specials.around([*content[: room - tail], *content[len(content) - tail :]])


def windows_of(tokens: int, size: int) -> int:
    """Windows of at most ``size`` that so many tokens need; an empty text has one too."""
    return max(1, -(-tokens // size))


@dataclass(frozen=True)
class Windows:
    """The windows of some texts, text by text.

    Attributes:
        text: (w,) index of the text of each window.
        start: (w,) its first token, counted from the text's first.
        length: (w,) its tokens.
    """

    text: Positions
    start: Positions
    length: Positions

    @classmethod
    def of(cls, lengths: Positions, most: int) -> Windows:
        """The windows of texts as ``all_windows`` lays them out.

        Args:
            lengths: (n,) tokens of each text, special ones of each window included.
            most: tokens of a window.
        """
        counts = np.maximum(1, -(-lengths // most))
        text = np.repeat(np.arange(len(lengths)), counts)
        number = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
        size, longer = np.divmod(lengths, counts)
        start = number * size[text] + np.minimum(number, longer[text])
        return cls(text, start, size[text] + (number < longer[text]))

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, rows: Positions, /) -> Windows:
        return Windows(self.text[rows], self.start[rows], self.length[rows])

    def one_each(self, rng: np.random.Generator) -> Windows:
        """One window of each text, drawn at random; nothing is drawn where all have one."""
        if len(self) == len(np.unique(self.text)):
            return self
        order = rng.permutation(len(self))
        _, first = np.unique(self.text[order], return_index=True)
        return self[order[first]]

    def cut_from(self, texts: Sequence[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
        """The tokens of the windows; ``texts`` holds one entry for each window: its whole text."""
        borders = zip(texts, self.start.tolist(), self.length.tolist(), strict=True)
        return [ids[start : start + length] for ids, start, length in borders]

    @property
    def counts(self) -> NDArray[np.float32]:
        """Windows (n,) of each text."""
        return np.bincount(self.text).astype(np.float32)
