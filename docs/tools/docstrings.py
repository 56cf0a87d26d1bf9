"""Turns the docstrings of this project into Markdown; must not know whose they are."""

from __future__ import annotations

import inspect
import re

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n((?:(?:    .*)?\n?)*)", re.MULTILINE)
ENTRY = re.compile(r"^(\S[^:\n]*):\s+", re.MULTILINE)


def parts(text: str) -> dict[str, dict[str, str]]:
    """The entries of each section (``Args``, ``Attributes``, ``Returns``, ``Raises``).

    An entry for several names, such as ``url, api_key:``, is there once for each. What has no name
    is the entry ``""``.
    """
    found: dict[str, dict[str, str]] = {}
    for title, body in SECTION.findall(text + "\n"):
        found[title] = entries(inspect.cleandoc("\n" + body))
    return found


def entries(body: str) -> dict[str, str]:
    """Text by name; lines that are indented belong to the entry before."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", body.strip()):
        names, _, words = block.partition(": ")
        if not words or not re.fullmatch(r"[\w, ]+", names):
            found[""] = _plain(f"{found.get('', '')} {block}")
            continue
        found.update({name.strip(): _plain(words) for name in names.split(",")})
    return found


def markdown(text: str) -> str:
    """The prose of a docstring, without its sections, as Markdown."""
    prose = SECTION.sub("", text + "\n").strip()
    return "\n\n".join(_plain(each) for each in prose.split("\n\n"))


def _plain(words: str) -> str:
    """One paragraph: roles and double backquotes become code."""
    words = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(words.split()))
    return words.replace("``", "`")
