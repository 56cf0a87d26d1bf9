"""Owns lists and objects that were written into a cell as text; must not know what they mean.

A table of text has no lists. Programs write JSON (``["a", "b"]``), Python (``['a', "b's"]``,
``{'x': None}``) or numpy (``['a' 'b']``, ``array(['a'], dtype=object)``, ``[np.str_('a')]``)
into its cells.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import TypeVar

_OPENING = re.compile(r"\s*(?:[\[{(]|array\()")

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+))
    |(?P<array>(?:array|list|np\.\w+)\()
    |(?P<dtype>,?\s*dtype=[\w.']+)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>[\[\]{}(),:])
    )""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = {"None": None, "null": None, "nan": None, "NaN": None, "True": True, "true": True}
_WORDS |= {"False": False, "false": False}

_Read = TypeVar("_Read")

DEEPEST = 20
"""How many lists may stand in one another."""


def literal(cell: object) -> object:
    """The list or object that a cell of text is; any other cell as it is."""
    if not isinstance(cell, str) or not _OPENING.match(cell):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return _Reader(cell).whole()
    except (ValueError, SyntaxError):
        return cell


class _Reader:
    """Reads one value; commas between the elements of a list may be missing, as numpy's are."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    def whole(self) -> object:
        value = self._value()
        if self.at != len(self.tokens):
            raise ValueError("something follows the value")
        return value

    def _value(self) -> object:
        kind, text = self._next()
        if kind == "string":
            return ast.literal_eval(text)
        if kind == "number":
            return float(text) if set(text) & set(".eE") else int(text)
        if kind == "word" and text in _WORDS:
            return _WORDS[text]
        if kind == "array":
            return self._array()
        if text in _CLOSING:
            return self._group(text)
        raise ValueError(f"unexpected {text!r}")

    def _group(self, opening: str) -> object:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError("too deep")
        value: object = (
            dict(self._items("}", self._pair))
            if opening == "{"
            else self._items(_CLOSING[opening], self._value)
        )
        self.depth -= 1
        return value

    def _array(self) -> object:
        value = self._value()
        if self._peek()[0] == "dtype":
            self.at += 1
        self._expect(")")
        return value

    def _items(self, closing: str, read: Callable[[], _Read]) -> list[_Read]:
        items: list[_Read] = []
        while self._peek()[1] != closing:
            items.append(read())
            if self._peek()[1] == ",":
                self.at += 1
        self.at += 1
        return items

    def _pair(self) -> tuple[object, object]:
        key = self._value()
        self._expect(":")
        if isinstance(key, (list, dict)):
            raise ValueError("a list is no key")
        return key, self._value()

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise ValueError(f"{sign} is missing")

    def _peek(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise ValueError("the value ends too early")
        return self.tokens[self.at]

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token


_CLOSING = {"[": "]", "{": "}", "(": ")"}


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unexpected {text[at : at + 20]!r}")
        kind = match.lastgroup or "sign"
        tokens.append((kind, match[kind]))
        at = match.end()
    return tokens
