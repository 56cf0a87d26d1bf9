"""Owns words, tables and values of the generated pages; must not know what a page is about."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

import yaml
from pydantic import BaseModel

WORDS = Path(__file__).parent / "words"


def page(name: str, **parts: str) -> str:
    """The words of a page with the generated parts filled in."""
    text = (WORDS / f"{name}.md").read_text(encoding="utf-8")
    for key, part in parts.items():
        text = text.replace(f"<!-- {key} -->", part)
    return text


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value as people write it in YAML, in code quotes; nothing for nothing."""
    if value is None:
        return "empty"
    return f"`{inline(value)}`"


def inline(value: object) -> str:
    """A value as people write it in YAML, on one line."""
    if isinstance(value, (str, Path)):
        return str(value) or '""'
    text: str = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _plain(value: object) -> object:
    """The value in terms of YAML."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(exclude_defaults=True))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, (Path, Enum)) else value


def doc(thing: object) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
