"""Owns how Argilla's page reads a text: as HTML, and with JavaScript's way of counting; pure.

Measured with Argilla 2.8 in Chromium: the page puts text fields in as HTML, even plain ones, and
counts a span's characters in what it then shows, in UTF-16 units: an emoji counts as two. The
server, though, checks the borders of spans against the number of characters of the field.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from itertools import accumulate
from typing import TypeGuard

from loopd.records import JsonValue

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_REFERENCE = re.compile(r"&(?:#[xX]?[0-9A-Fa-f]+|[A-Za-z0-9]{1,32});?")

WIDE = "\uffff"
"""Characters above this one take two UTF-16 units."""


def shown(text: str, *, spans: bool = False) -> str:
    """The text as the page needs it.

    Only what a browser would read as the start of a tag or of a character reference is escaped, so
    that most texts stay as they are. ``original`` gives the text back.

    Args:
        text: what annotators shall read.
        spans: whether spans are marked in it. Then carriage returns are escaped, too, as HTML
            drops some; and it ends with a blank for each character that takes two units, else the
            server would refuse a span at its end.
    """
    escaped = _TAG.sub("&lt;", _REFERENCE.sub(_escaped, text))
    if not spans:
        return escaped
    return escaped.replace("\r", "&#13;") + " " * sum(character > WIDE for character in text)


def original(field: str) -> str:
    """The text that is shown, but for blanks at its end."""
    return html.unescape(field)


def unpadded(field: str) -> str:
    """The text of a field in which spans are marked, without the blanks that ``shown`` added."""
    text = original(field)
    wide = sum(character > WIDE for character in text)
    return text[: len(text) - wide] if wide and text.endswith(" " * wide) else text


def to_page(text: str, value: JsonValue) -> JsonValue:
    """Spans (objects with ``start`` and ``end``) whose borders are counted as the page does.

    Args:
        text: the original text.
        value: a list of such objects; anything else is given back as it is.
    """
    units = [0, *accumulate(1 + (character > WIDE) for character in text)]
    return _moved(value, lambda position: units[min(position, len(text))])


def from_page(text: str, value: JsonValue) -> JsonValue:
    """Spans whose borders are counted in Python's characters; the reverse of ``to_page``.

    A border in the middle of a character moves to its beginning; one behind the text, to its end.
    """
    places = [
        position for position, character in enumerate(text) for _ in range(1 + (character > WIDE))
    ]
    return _moved(value, lambda unit: places[unit] if unit < len(places) else len(text))


def _escaped(reference: re.Match[str]) -> str:
    text = reference[0]
    return text if html.unescape(text) == text else f"&amp;{text[1:]}"


def _moved(value: JsonValue, move: Callable[[int], int]) -> JsonValue:
    if not isinstance(value, (list, tuple)):
        return value
    return [_moved_span(span, move) for span in value]


def _moved_span(span: JsonValue, move: Callable[[int], int]) -> JsonValue:
    if not isinstance(span, dict):
        return span
    borders = ((key, span.get(key)) for key in ("start", "end"))
    return {**span, **{key: move(position) for key, position in borders if _is_place(position)}}


def _is_place(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
