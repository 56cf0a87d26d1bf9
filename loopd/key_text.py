"""Owns how an API key is read out of a text: a file, a variable, what a program printed.

Must not know where the text is from, and never repeats any of it: what is wrong is said in words
alone.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SETTING = re.compile(r"(?:(?:export|set)\s+|\$env:)?([A-Za-z_][\w.-]*)(?:\s*=\s*|:\s+)(.*)", re.I)
_VARIABLE = re.compile(r"[A-Z]+(_[A-Z]+)+|api_key")
_PADDING = re.compile(r"[=\s]*")
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_INVISIBLE = "\ufeff\u200b\u2060\u00a0"


class KeyTextError(ValueError):
    """The text holds no key, or not one alone; says so without repeating it."""


def key_in(content: bytes | str, name: str) -> str:
    """The one key that a text holds.

    Read are a key by itself, one in quotes, ``NAME=value`` and ``export NAME=value`` (of several
    settings the one with the name), and JSON with one key or with that of an ``owner``, as
    ``loopd serve`` writes it. Blank lines and those that begin with ``#`` do not count; nor does
    what stands below a key by itself.

    Args:
        content: the text; bytes may begin with a byte order mark.
        name: of the environment variable that would hold the key.

    Raises:
        KeyTextError: nothing of that, or more than one.
    """
    text = content if isinstance(content, str) else _decoded(content)
    if text.lstrip(_INVISIBLE + " \t\r\n")[:1] in ("{", "["):
        return _checked(_from_json(text.strip(_INVISIBLE + " \t\r\n")))
    lines = [line for raw in text.splitlines() if (line := _bare(raw)) and line[0] != "#"]
    if not lines:
        raise KeyTextError("it is empty")
    return _checked(_unquoted(_value(lines, name)))


def _decoded(content: bytes) -> str:
    """The text; what cannot be decoded is no part of a key and is refused as such."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    return content.decode("utf-8", errors="replace")


def _bare(line: str) -> str:
    return line.strip().strip(_INVISIBLE).strip()


def _value(lines: list[str], name: str) -> str:
    """The key with its quotes, if it has any."""
    first = _setting(lines[0])
    if first is None:
        return lines[0]
    settings = [parsed for line in lines if (parsed := _setting(line)) is not None]
    named = [value for label, value in settings if label.casefold() == name.casefold()]
    if not named:
        named = [value for label, value in settings if re.search(r"api[_.-]?key", label, re.I)]
    if len(named) != 1:
        many = "several API keys" if named else "a setting, and not that of an API key"
        raise KeyTextError(f"it holds {many}")
    return named[0]


def _setting(line: str) -> tuple[str, str] | None:
    """Name and value of a setting; a key that ends with ``=``, as base64 does, is none."""
    match = _SETTING.fullmatch(line)
    if match is None:
        return None
    if _PADDING.fullmatch(match[2]) and not _VARIABLE.fullmatch(match[1]):
        return None
    value = match[2]
    return match[1], value if value[:1] in _QUOTES else re.sub(r"\s+#.*", "", value)


def _unquoted(text: str) -> str:
    text = text.rstrip(";").strip() if text[-1:] == ";" else text
    opening, closing = text[:1], text[-1:]
    if _QUOTES.get(opening) == closing and len(text) > 1:
        return _bare(text[1:-1])
    if opening in _QUOTES or closing in _QUOTES or closing in _QUOTES.values():
        raise KeyTextError("a quotation mark in it has no partner")
    return text


def _from_json(text: str) -> str:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise KeyTextError("it begins like JSON and is none") from None
    owner = content.get("owner") if isinstance(content, dict) else None
    keys = list(_keys(owner)) or list(_keys(content))
    if len(keys) != 1:
        many = "several keys" if keys else "no `api_key`"
        raise KeyTextError(f"it is JSON with {many}: write the one key alone into a file")
    return keys[0]


def _keys(content: object) -> Iterator[str]:
    """Every text under ``api_key`` in parsed JSON."""
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, str) and re.fullmatch(r"(?:\w*_)?api_?key", str(name), re.I):
                yield value
            else:
                yield from _keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from _keys(value)


def _checked(key: str) -> str:
    if not key:
        raise KeyTextError("the key in it is empty")
    if any(character.isspace() for character in key):
        raise KeyTextError("there is white space inside the key")
    if "://" in key:
        raise KeyTextError("it holds an address")
    if not key.isascii() or not key.isprintable():
        raise KeyTextError("the key in it has characters that no key has")
    return key
