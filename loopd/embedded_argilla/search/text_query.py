"""The grammar of text queries, Elasticsearch's simple_query_string with AND; must not match text.

Source: the page "Simple query string query" of Elasticsearch's reference. As there, operators have
no precedence: they apply from left to right, and any text at all is a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from loopd.embedded_argilla.search.words import split_words

Operator = Literal["and", "or"]

_DEEPEST_GROUP = 20
_MOST_EDITS = 2
_EDITS = re.compile(r"(?<=.)~(\d*)$")
_SLOP = re.compile(r"~(\d*)")
_OPERATORS: dict[str, Operator] = {"+": "and", "|": "or"}
_ENDS_A_WORD = frozenset('"|+()')


@dataclass(frozen=True, slots=True)
class Words:
    """All of these words in one field; each may have up to `edits` other letters."""

    words: tuple[str, ...]
    edits: int = 0


@dataclass(frozen=True, slots=True)
class Prefix:
    """A word that starts so; an empty start is any word."""

    start: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """These words in this order, at most `slop` positions out of place."""

    words: tuple[str, ...]
    slop: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a group with the operator before it."""

    operator: Operator
    negated: bool
    part: Part


@dataclass(frozen=True, slots=True)
class Group:
    """Parts to be joined from left to right; at least one."""

    steps: tuple[Step, ...]


Part: TypeAlias = Words | Prefix | Phrase | Group


def parse(query: str) -> Group | None:
    """Return the query's parts, None when nothing in it can match (no words at all)."""
    return _Parser(query).group(0)


class _Parser:
    """One pass over the query's characters."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def group(self, depth: int) -> Group | None:
        """Read up to the parenthesis that closes this group, or to the end."""
        steps: list[Step] = []
        operator: Operator | None = None
        negated = False
        while self._at < len(self._query):
            letter = self._query[self._at]
            if letter == "-":
                negated = not negated
                self._at += 1
                continue
            if letter in _OPERATORS:
                # The first of several operators counts, and none before the first part.
                operator = operator or (_OPERATORS[letter] if steps else None)
                self._at += 1
            elif letter == ")" and depth:
                self._at += 1
                break
            elif (part := self._part(letter, depth)) is not None:
                steps.append(Step(operator or "and", negated, part))
                operator = None
            negated = False  # A minus only counts right before its part.
        return Group(tuple(steps)) if steps else None

    def _part(self, letter: str, depth: int) -> Part | None:
        if letter.isspace() or letter == ")":
            self._at += 1
            return None
        if letter == "(":
            self._at += 1
            return self.group(depth + 1) if depth < _DEEPEST_GROUP else None
        return self._phrase() if letter == '"' else self._word()

    def _phrase(self) -> Part | None:
        self._at += 1
        text, end = self._read(frozenset('"'), self._at)
        if end == len(self._query):
            return None  # An unclosed quote is skipped, and what follows it are words.
        match = _SLOP.match(self._query, end + 1)
        self._at = match.end() if match else end + 1
        words = tuple(split_words(text))
        return Phrase(words, int(match[1] or 0) if match else 0) if words else None

    def _word(self) -> Part | None:
        start = self._at
        text, self._at = self._read(_ENDS_A_WORD, start, space_ends=True)
        if text.endswith("*") and self._query[self._at - 2 : self._at] != r"\*":
            return Prefix(text[:-1].lower())
        match = _EDITS.search(text)
        edits = min(int(match[1] or _MOST_EDITS), _MOST_EDITS) if match else 0
        words = tuple(split_words(text[: match.start()] if match else text))
        return Words(words, edits) if words else None

    def _read(self, ends: frozenset[str], at: int, *, space_ends: bool = False) -> tuple[str, int]:
        """Return the text from `at` to the next ending letter, unescaped, and where that is."""
        letters: list[str] = []
        while at < len(self._query):
            letter = self._query[at]
            if letter in ends or (space_ends and letter.isspace()):
                break
            at += letter == "\\" and at + 1 < len(self._query)
            letters.append(self._query[at])
            at += 1
        return "".join(letters), at
