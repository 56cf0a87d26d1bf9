"""Texts as words, the way Elasticsearch's standard analyzer cuts them; must not know of queries.

Source: Unicode Annex 29 (word boundaries), of which this keeps the rules that matter for search:
runs of letters and digits, joined over an apostrophe or full stop between letters and over a comma
or full stop between digits; ideographs and hiragana one by one. Lower case, no stop words.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_SINGLES = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order and in lower case."""
    return _pattern().findall(text.lower())


@cache
def _pattern() -> re.Pattern[str]:
    part = rf"(?:(?![{_SINGLES}])[\w{_marks()}])+"
    joint = r"(?:(?<=[^\W\d_])[.:'\u2019\u00b7](?=[^\W\d_])|(?<=\d)[.,;'](?=\d))"
    return re.compile(rf"[{_SINGLES}]|{part}(?:{joint}{part})*")


@cache
def _marks() -> str:
    """Return the combining marks as ranges: `re` counts them as no letters, yet they join words."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode >> 4):
        if unicodedata.category(chr(code)).startswith("M"):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
