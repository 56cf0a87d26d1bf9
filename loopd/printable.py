"""Owns how text from outside is shown on a terminal; must not print anything.

Labels, names and error messages may hold what moves the cursor, hides text or colours it.
"""

from __future__ import annotations

LONGEST = 2000
"""Characters of the longest line that is shown whole."""


def printable(text: str) -> str:
    """The text with control characters and other invisible ones written out, as in Python."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """The text on one line, cut where it is very long."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


_KEPT = "\n\u200c\u200d\u00a0\u202f\ufe0f"
"""Not printable to Python, yet harmless, and part of ordinary texts and emoji."""


def _shown(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    return character.encode("unicode_escape").decode("ascii")
