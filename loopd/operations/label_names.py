"""Owns which names of labels say nothing of what they stand for; must not know any data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from loopd.config import Config
from loopd.printable import one_line

SHORTEST = 3
"""Letters of a word in a script with small and capital letters."""

LONGEST_ABBREVIATION = 4
"""Capitals in a row that are taken for an abbreviation."""

COUNTED = frozenset(
    ("cat", "category", "class", "cluster", "code", "group", "kind", "label", "level", "no", "tag",
     "topic", "type")
)  # fmt: skip
"""What says nothing in front of a number."""

_VOWELS = frozenset("aeiouy")

_NAMED = 3
"""Labels in a sentence."""


def undescribed(config: Config) -> tuple[str, ...]:
    """The labels whose names say nothing, and that nobody has described.

    None for spans, where nothing learns from a description.
    """
    task = config.task
    if task.type == "spans":
        return ()
    return tuple(
        label for label in task.labels if not task.descriptions.get(label) and is_cryptic(label)
    )


def is_cryptic(label: str) -> bool:
    """Whether a name holds no word: a number, a letter or two, or an abbreviation.

    Languages are not looked up: a word is what could be spoken. In a script without capitals any
    letter may be one.
    """
    counted = COUNTED if any(letter.isdigit() for letter in label) else frozenset()
    return not any(_is_word(part) and part.lower() not in counted for part in _parts(label))


def sentence(labels: tuple[str, ...]) -> str:
    """What to say of such labels."""
    named = ", ".join(repr(one_line(label)) for label in labels[:_NAMED])
    if len(labels) == 1:
        return f"the name {named} says nothing of what it stands for"
    more = len(labels) - _NAMED
    others = f" and {more} more" if more > 0 else ""
    return f"the names {named}{others} say nothing of what they stand for"


def _parts(label: str) -> Iterator[str]:
    """Runs of letters; ``birthDate`` has two."""
    plain = unicodedata.normalize("NFD", label)
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for run in re.findall(r"[^\W\d_]+", bare):
        yield from re.sub(r"(?<=[a-z])(?=[A-Z])", " ", run).split()


def _is_word(part: str) -> bool:
    if any(unicodedata.category(letter) == "Lo" for letter in part):
        return True
    if len(part) < SHORTEST or (part.isupper() and len(part) <= LONGEST_ABBREVIATION):
        return False
    is_latin = part.isascii()
    return not is_latin or not _VOWELS.isdisjoint(part.lower())
