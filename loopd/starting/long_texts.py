"""Owns how many texts of a file are longer than the model reads, told in an instant.

Must not load the model: its tokenizer alone says how long a text is, and where nothing could be too
long not even that is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.source import locate

SAMPLE = 200
"""Texts that are looked at, evenly from all of the file."""

BEGINNING = 10
"""Characters of a text that are looked at first for each token that is read: of nearly all texts
that are too long they have more tokens than are read. So a look takes half a second."""

SPECIAL = 2
"""Tokens at the beginning and the end of each text."""

OF_A_CHARACTER = 3
"""Tokens of one that is not ASCII, at most: Hangul is taken to pieces."""

MANY = 0.05
"""Share of longer texts from which on it is worth a word."""

USUAL_CHARACTERS = 5
"""Of a token with the space behind it, where the tokenizer is not there to say."""


@dataclass(frozen=True, slots=True)
class LongTexts:
    """How many texts are longer than the model reads.

    Attributes:
        texts: how many were looked at.
        longer: how many of them are longer.
        most: tokens that it reads of each.
    """

    texts: int
    longer: int
    most: int

    @property
    def many(self) -> bool:
        """Whether somebody should be told."""
        return self.longer > MANY * self.texts

    def __str__(self) -> str:
        share = self.longer / max(1, self.texts)
        return (
            f"{share:.0%} of {self.texts} texts are longer than the {self.most} tokens that the "
            "model reads of each"
        )


def long_texts(texts: Sequence[str], section: ClassifierSection | None = None) -> LongTexts:
    """Look at some of the texts.

    Args:
        texts: of the pool.
        section: the model; ``None``: the usual one.
    """
    section = section or ClassifierSection()
    most = section.max_tokens
    count = min(SAMPLE, len(texts))
    some = [texts[number * len(texts) // count] for number in range(count)]
    doubtful = [text for text in some if _most_tokens(text) > most]
    tokens_of = _counter(section.model) if doubtful else len
    longer = sum(_is_longer(" ".join(text.split()), most, tokens_of) for text in doubtful)
    return LongTexts(count, longer, most)


def _most_tokens(text: str) -> int:
    return len(text) * (1 if text.isascii() else OF_A_CHARACTER) + SPECIAL


def _is_longer(text: str, most: int, tokens_of: Callable[[str], int]) -> bool:
    begin = text[: BEGINNING * most]
    return tokens_of(begin) > most or (len(begin) < len(text) and tokens_of(text) > most)


def _counter(model: str) -> Callable[[str], int]:
    """Gives the tokens of a text, special ones included."""
    try:
        path = Path(locate(model)) / "tokenizer.json"
    except ModelError:
        path = Path()
    if not path.is_file():
        return lambda text: len(text) // USUAL_CHARACTERS
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # One at a time: threads of the tokenizer's own would be in the way of processes begun later.
    return lambda text: len(tokenizer.encode(text).ids)
